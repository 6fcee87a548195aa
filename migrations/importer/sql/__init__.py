"""The SQL of an import, its revert and its comparison."""
