"""What the revisions make in the database, and need to find there."""
