-- Find the table's foreign keys of one column.
SELECT
    a.attname AS column,
    CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END
        AS table,
    r.attname AS id
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
JOIN pg_catalog.pg_attribute AS r ON r.attrelid = f.confrelid AND r.attnum = f.confkey[1]
JOIN pg_catalog.pg_class AS c ON c.oid = f.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE f.conrelid = to_regclass(:name) AND f.contype = 'f' AND cardinality(f.conkey) = 1
