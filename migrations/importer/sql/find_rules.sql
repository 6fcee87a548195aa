-- Find the table's CHECK constraints and foreign keys, each with its columns.
SELECT
    c.conname AS name,
    c.contype AS kind,
    pg_get_expr(c.conbin, c.conrelid) AS expression,
    CASE WHEN c.contype = 'f' THEN c.confrelid::regclass::text END AS referred,
    c.contype = 'c' OR has_table_privilege(c.confrelid, 'SELECT')
        AND NOT row_security_active(c.confrelid) AS may_look,
    ARRAY(
        SELECT a.attname::text
        FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
        ORDER BY k.n
    ) AS columns,
    ARRAY(
        SELECT a.attname::text
        FROM unnest(c.confkey) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
        ORDER BY k.n
    ) AS referred_columns
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = to_regclass(:name) AND c.contype IN ('c', 'f')
    -- From Postgres 18 on a rule may be there without being enforced.
    AND coalesce(CAST(to_jsonb(c) ->> 'conenforced' AS boolean), true)
ORDER BY c.conname
