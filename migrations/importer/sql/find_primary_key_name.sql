-- Find the name of a table's primary key.
SELECT conname
FROM pg_catalog.pg_constraint
WHERE conrelid = to_regclass(:name) AND contype = 'p'
