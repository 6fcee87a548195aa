"""The commands around the revisions, one module each."""
