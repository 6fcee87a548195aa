-- If the role does not see a row, the revert would take it for missing.
SELECT format('the role %I may not DELETE %s', current_user, 'sales.customers'::regclass)
WHERE NOT has_table_privilege('sales.customers'::regclass, 'DELETE')
UNION
SELECT format('the role %I may not SELECT %s, which refers to leads', current_user, name)
FROM (-- Find each foreign key to leads, whatever it does on DELETE: the table, and how its rows match.
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
WHERE contype = 'f' AND confrelid = 'sales.customers'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid
) AS referrer
JOIN pg_catalog.pg_class ON pg_class.oid = name::regclass
WHERE NOT has_table_privilege(name, 'SELECT') OR NOT has_schema_privilege(relnamespace, 'USAGE')
UNION
SELECT format(
    'row-level security on %s, which refers to leads, hides rows from the role %I',
    name, current_user)
FROM (-- Find each foreign key to leads, whatever it does on DELETE: the table, and how its rows match.
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
WHERE contype = 'f' AND confrelid = 'sales.customers'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid
) AS referrer
WHERE row_security_active(name::regclass)
