"""Convert people's files to the importer's one format, once, before they are committed."""
