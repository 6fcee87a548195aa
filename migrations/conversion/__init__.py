"""Whatever file people have becomes the importer's one format, once, before it is committed."""
