-- Find each foreign key to leads, whatever it does on DELETE: the table, and how its rows match.
-- Leave out those of partitions, because a query of the partitioned table sees their rows.
SELECT
    conname AS rule,
    conrelid::regclass::text AS name,
    string_agg(format('c.%I = l.%I', c.attname, l.attname), ' AND ') AS matches,
    array_agg(l.attname::text) AS columns,
    -- From Postgres 18 on a rule may be there without being enforced.
    bool_and(coalesce(CAST(to_jsonb(pg_constraint) ->> 'conenforced' AS boolean), true))
        AS is_enforced,
    has_table_privilege(conrelid, 'SELECT') AND NOT row_security_active(conrelid) AS may_look
FROM pg_catalog.pg_constraint
CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (referring, referred)
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = conrelid AND c.attnum = referring
JOIN pg_catalog.pg_attribute AS l ON l.attrelid = confrelid AND l.attnum = referred
WHERE contype = 'f' AND confrelid = ${table.regclass} AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid
