-- Find the names no new index beside the table can have.
SELECT relname
FROM pg_catalog.pg_class
WHERE relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = to_regclass(:name))
