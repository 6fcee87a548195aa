"""See what an upgrade would do, before it does it."""
