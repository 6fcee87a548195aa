-- A table of the ledger as a temporary one of the same name, which is found before it.
CREATE TEMPORARY TABLE ${quoted(name)} (LIKE ${quoted(schema)}.${quoted(name)} INCLUDING ALL)
