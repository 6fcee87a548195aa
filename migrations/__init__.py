"""The schema's revisions, the importer that they use, and the commands around them."""
