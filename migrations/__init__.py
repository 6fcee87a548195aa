"""The schema's revisions, their importer, and the commands around them."""
