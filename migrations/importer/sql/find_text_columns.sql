-- Find every column of the owner's tables fit to hold a phone, by name of table and column.
SELECT
    n.nspname AS schema,
    c.relname AS table,
    a.attname AS column,
    format_type(a.atttypid, NULL) AS type,
    t.typcategory = 'S' AS is_text,
    c.relkind = 'f' AS is_foreign,
    n.nspname = current_schema() AS is_first,
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS f
        WHERE f.conrelid = c.oid AND f.contype = 'f'
    ) AS refers
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND n.nspname NOT LIKE 'pg\_temp\_%'
    AND c.relname NOT LIKE 'lead\_import%' AND c.relname <> 'lead_before_images'
ORDER BY n.nspname, c.relname, a.attnum
