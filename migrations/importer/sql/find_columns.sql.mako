-- Find the columns of the table in the catalog.
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    format_type(a.atttypid, NULL) AS base,
    t.typtype AS kind,
    t.typcategory = 'S' AS is_text,
    NOT (a.attnotnull OR t.typnotnull) AS nullable,
    a.atthasdef OR a.attidentity <> '' AS is_filled,
    CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS "default",
    a.attgenerated <> '' OR a.attidentity = 'a' AS is_computed,
    a.attgenerated <> '' AS is_generated,
    a.attidentity <> ''
        OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%', false)
        -- A volatile function of the owner's may draw from a sequence. The server's own are known.
        OR EXISTS (
            SELECT FROM pg_catalog.pg_depend AS p
            JOIN pg_catalog.pg_proc AS f ON f.oid = p.refobjid
            WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                AND p.refclassid = 'pg_proc'::regclass AND f.provolatile = 'v'
                AND t.typcategory IN ('N', 'S') AND t.typtype <> 'd'
        ) AS is_numbered,
    coalesce(c.collisdeterministic, true) AND t.typname <> 'citext' AS is_bytewise,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = a.attrelid AND i.indisunique
            AND i.indexprs IS NULL AND i.indpred IS NULL
            AND a.attnum = ANY (i.indkey)
    ) AS is_key
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(${name}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
