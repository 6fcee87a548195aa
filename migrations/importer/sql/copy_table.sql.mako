-- Make a temporary table of the same name as one of the ledger. The server finds it first.
CREATE TEMPORARY TABLE ${quoted(name)} (LIKE ${quoted(schema)}.${quoted(name)} INCLUDING ALL)
