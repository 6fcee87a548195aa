"""Read an export and list what is wrong with it."""
