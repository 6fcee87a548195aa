"""The commands around the revisions, a module each."""
