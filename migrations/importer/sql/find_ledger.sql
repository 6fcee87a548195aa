-- Find the ledger's existing tables, each with its schema.
SELECT c.relname AS name, n.nspname AS schema
FROM unnest(CAST(:tables AS text[])) AS needed
JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass(needed)
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
