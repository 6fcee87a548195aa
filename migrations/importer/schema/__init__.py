"""What the revisions make in the database, and what they need to find there."""
