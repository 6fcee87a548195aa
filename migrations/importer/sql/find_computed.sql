-- Find the indexes on expressions or for some rows. Leave out the phone's key.
SELECT
    i.indexrelid::regclass::text AS name,
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
WHERE i.indrelid = to_regclass(:name) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    AND pg_get_indexdef(i.indexrelid) NOT LIKE '%lead\_phone\_key\_v1(%'
ORDER BY name
