"""A deploy: its options, its database, its lock, and when to stop."""
