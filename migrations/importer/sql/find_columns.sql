-- Find the columns of the table in the catalog. The type of a domain is what lies below it.
WITH RECURSIVE below (attnum, type, modifier, not_null) AS (
    SELECT attnum, atttypid, atttypmod, false
    FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass(:name)
    UNION ALL
    SELECT below.attnum, d.typbasetype, d.typtypmod, below.not_null OR d.typnotnull
    FROM below
    JOIN pg_catalog.pg_type AS d ON d.oid = below.type AND d.typtype = 'd'
)
SELECT
    a.attname AS name,
    format_type(b.type, b.modifier) AS type,
    format_type(b.type, -1) AS base,
    CASE WHEN b.type <> a.atttypid THEN format_type(a.atttypid, NULL) END AS domain,
    t.typtype AS kind,
    t.typcategory = 'S' AS is_text,
    NOT (a.attnotnull OR b.not_null) AS nullable,
    a.atthasdef OR a.attidentity <> '' OR o.typdefaultbin IS NOT NULL AS is_filled,
    CASE WHEN a.attgenerated = '' THEN coalesce(
        pg_get_expr(d.adbin, d.adrelid), pg_get_expr(o.typdefaultbin, 'pg_type'::regclass)
    ) END AS "default",
    a.attgenerated <> '' OR a.attidentity = 'a' AS is_computed,
    CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS computed,
    ARRAY(
        -- Until Postgres 14 the column depends on the others, not its expression.
        SELECT DISTINCT base.attname::text
        FROM pg_catalog.pg_depend AS p
        JOIN pg_catalog.pg_attribute AS base
            ON base.attrelid = p.refobjid AND base.attnum = p.refobjsubid
        WHERE a.attgenerated <> '' AND base.attnum <> a.attnum
            AND p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid
            AND (
                (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid)
                OR (
                    p.classid = 'pg_class'::regclass AND p.objid = a.attrelid
                    AND p.objsubid = a.attnum
                )
            )
    ) AS computed_of,
    a.attidentity <> ''
        OR coalesce(pg_get_expr(d.adbin, d.adrelid) ~ '(next|curr|last)val[(]', false)
        OR (v.is_volatile AND t.typcategory IN ('N', 'S') AND b.type = a.atttypid) AS is_numbered,
    v.is_volatile,
    EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = a.attrelid AND tgtype & 7 = 7 AND tgenabled <> 'D'
    ) AS may_be_filled,
    coalesce(c.collisdeterministic, true) AND t.typname <> 'citext' AS is_bytewise,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = a.attrelid AND i.indisunique
            AND i.indexprs IS NULL AND i.indpred IS NULL
            AND a.attnum = ANY (i.indkey)
    ) AS is_key
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS o ON o.oid = a.atttypid
JOIN below AS b ON b.attnum = a.attnum
JOIN pg_catalog.pg_type AS t ON t.oid = b.type AND t.typtype <> 'd'
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
-- A volatile function of the owner's may draw from a sequence. The server's own are known.
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS p
        JOIN pg_catalog.pg_proc AS f ON f.oid = p.refobjid
        WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
            AND p.refclassid = 'pg_proc'::regclass AND f.provolatile = 'v'
    ) AS is_volatile
) AS v
LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
