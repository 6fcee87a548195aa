-- What must be unique: of one column or several, of expressions, for all rows or for some.
SELECT
    i.indexrelid::regclass::text AS name,
    ARRAY(
        SELECT pg_get_indexdef(i.indexrelid, n, true)
        FROM generate_series(1, i.indnkeyatts) AS n
    ) AS keys,
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate,
    ARRAY(
        SELECT DISTINCT a.attname::text
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refobjid = i.indrelid AND d.refobjsubid > 0
        UNION
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    ) AS columns
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = ${table.regclass} AND i.indisunique AND i.indisvalid
