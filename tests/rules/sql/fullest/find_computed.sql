-- Find what the server computes of a row: indexes on expressions or for some rows, generated
-- columns. Leave out the phone's key.
SELECT
    format('the index %s', i.indexrelid::regclass) AS name,
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate,
    ARRAY(
        SELECT pg_get_indexdef(i.indexrelid, n, true)
        FROM generate_series(1, i.indnkeyatts) AS n
        WHERE i.indkey[n - 1] = 0
    ) AS expressions,
    ARRAY(
        SELECT DISTINCT a.attname::text
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refobjid = i.indrelid AND d.refobjsubid > 0
    ) AS columns
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = 'sales.customers'::regclass AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    AND pg_get_indexdef(i.indexrelid) NOT LIKE '%lead\_phone\_key\_v1(%'
UNION ALL
SELECT
    format('the column %I', c.attname),
    'true',
    ARRAY[pg_get_expr(e.adbin, e.adrelid)],
    ARRAY(
        -- Until Postgres 14 the column depends on the others, not its expression.
        SELECT DISTINCT a.attname::text
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.attrelid
            AND a.attnum <> c.attnum
            AND (
                (d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid)
                OR (
                    d.classid = 'pg_class'::regclass AND d.objid = c.attrelid
                    AND d.objsubid = c.attnum
                )
            )
    )
FROM pg_catalog.pg_attribute AS c
JOIN pg_catalog.pg_attrdef AS e ON e.adrelid = c.attrelid AND e.adnum = c.attnum
WHERE c.attrelid = 'sales.customers'::regclass AND c.attgenerated <> ''
ORDER BY name
