-- Find what must be unique: one column or several, or expressions, in all rows or some. An exclusion
-- constraint compares with operators of its own.
SELECT
    i.indexrelid::regclass::text AS name,
    c.conname AS rule,
    ARRAY(
        SELECT pg_get_indexdef(i.indexrelid, n, true) || coalesce(
            (
                SELECT format(' COLLATE %I.%I', s.nspname, l.collname)
                FROM pg_catalog.pg_collation AS l
                JOIN pg_catalog.pg_namespace AS s ON s.oid = l.collnamespace
                LEFT JOIN pg_catalog.pg_attribute AS a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1]
                WHERE l.oid = i.indcollation[n - 1] AND a.attcollation IS DISTINCT FROM l.oid
            ), '')
        FROM generate_series(1, i.indnkeyatts) AS n
    ) AS keys,
    ARRAY(
        SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
        FROM unnest(c.conexclop) WITH ORDINALITY AS k (oid, n)
        JOIN pg_catalog.pg_operator AS o ON o.oid = k.oid
        JOIN pg_catalog.pg_namespace AS s ON s.oid = o.oprnamespace
        ORDER BY k.n
    ) AS operators,
    i.indisexclusion AS is_exclusion,
    -- Without an equality, each record would be compared with each.
    EXISTS (
        SELECT FROM pg_catalog.pg_operator AS o WHERE o.oid = ANY (c.conexclop) AND o.oprcanhash
    ) AS has_equality,
    -- From Postgres 15 on.
    coalesce(CAST(to_jsonb(i) ->> 'indnullsnotdistinct' AS boolean), false) AS has_one_null,
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate,
    ARRAY(
        -- An included column is not part of the unique key, unless an expression uses it.
        SELECT a.attname::text
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refobjid = i.indrelid AND d.refobjsubid > 0
        GROUP BY a.attname, a.attnum
        HAVING count(*) > CAST(
            a.attnum = ANY ((i.indkey::int2[])[i.indnkeyatts : i.indnatts - 1]) AS integer)
        UNION
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
    ) AS columns
FROM pg_catalog.pg_index AS i
LEFT JOIN pg_catalog.pg_constraint AS c ON c.conindid = i.indexrelid AND c.conexclop IS NOT NULL
WHERE i.indrelid = to_regclass(:name) AND (i.indisunique OR i.indisexclusion) AND i.indisvalid
