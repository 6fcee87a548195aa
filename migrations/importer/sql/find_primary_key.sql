-- Find the table's primary key, if it is one column.
SELECT a.attname
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass(:name) AND i.indisprimary AND i.indnkeyatts = 1
