-- List whatever keeps an import from writing the table, a line each.
SELECT format('%s: found %s, expected a table', :name, CASE relkind
    WHEN 'v' THEN 'a view'
    WHEN 'm' THEN 'a materialized view'
    WHEN 'p' THEN 'a partitioned table'
    WHEN 'f' THEN 'a foreign table'
    ELSE 'something else'
END)
FROM pg_catalog.pg_class
WHERE oid = to_regclass(:name) AND relkind <> 'r'
UNION ALL
SELECT format('%s: other tables inherit from it (%s), and their rows would be written too', :name,
    string_agg(inhrelid::regclass::text, ', '))
FROM pg_catalog.pg_inherits
JOIN pg_catalog.pg_class ON pg_class.oid = inhparent AND relkind = 'r'
WHERE inhparent = to_regclass(:name)
HAVING count(*) > 0
UNION ALL
SELECT format('%s: is a partition of %s, so it has not all leads', :name, inhparent::regclass)
FROM pg_catalog.pg_class
JOIN pg_catalog.pg_inherits ON inhrelid = oid
WHERE oid = to_regclass(:name) AND relispartition
UNION ALL
SELECT format('%s: has row-level security, which hides rows from the role %I', :name, current_user)
FROM pg_catalog.pg_class
WHERE oid = to_regclass(:name) AND (relforcerowsecurity OR row_security_active(oid))
UNION ALL
SELECT format('%s: the rule %s turns a write into another one', :name, rulename)
FROM pg_catalog.pg_rewrite
JOIN pg_catalog.pg_class ON pg_class.oid = ev_class AND relkind = 'r'
WHERE ev_class = to_regclass(:name) AND ev_type <> '4'  -- an import deletes nothing
UNION ALL
SELECT format('%s.%s: its collation %s does not tell texts apart by their bytes, and the phone''s key must',
    :name, attname, attcollation::regcollation)
FROM pg_catalog.pg_attribute
JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation AND NOT collisdeterministic
WHERE attrelid = to_regclass(:name) AND attname = :phone
UNION ALL
SELECT format(
    '%s: the column %s is not its primary key, nor NOT NULL with a unique index of its own '
    '(ALTER TABLE %1$s ALTER %2$I SET NOT NULL; CREATE UNIQUE INDEX ON %1$s (%2$I))', :name, :id)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = :id
WHERE c.oid = to_regclass(:name) AND relkind = 'r' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = c.oid AND indisunique AND indisvalid AND indnkeyatts = 1
        AND indpred IS NULL AND attname = :id AND attnotnull
)
UNION ALL
SELECT format(
    '%s: is published without a replica identity, so the server refuses to update it '
    '(ALTER TABLE … REPLICA IDENTITY USING INDEX …)', :name)
FROM pg_catalog.pg_class AS c
WHERE c.oid = to_regclass(:name) AND c.relreplident <> 'f'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indrelid = c.oid AND indisvalid
            AND CASE c.relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident END
    )
    AND EXISTS (
        SELECT FROM pg_catalog.pg_publication_tables AS t
        JOIN pg_catalog.pg_publication AS p ON p.pubname = t.pubname
        WHERE p.pubupdate AND t.tablename = c.relname
            AND quote_ident(t.schemaname) = c.relnamespace::regnamespace::text
    )
UNION ALL
SELECT format('%s: the role %I may not %s', :name, current_user, may)
FROM unnest(CAST(:rights AS text[])) AS may
WHERE NOT has_table_privilege(to_regclass(:name), may)
UNION ALL
SELECT DISTINCT format(
    '%s.%s: the role %I may not draw from the sequence %s (GRANT USAGE)', :name, a.attname,
    current_user, d.refobjid::regclass)
FROM pg_catalog.pg_attrdef AS e
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
    AND d.refclassid = 'pg_class'::regclass
JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
WHERE :writes AND e.adrelid = to_regclass(:name)
    AND a.attname <> ALL (CAST(:given AS text[]))
    AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE, UPDATE') END
UNION ALL
SELECT format(
    '%s: the role %I does not own it, and it needs an index on the phone''s key', :name,
    current_user)
FROM pg_catalog.pg_class AS c
WHERE :writes AND c.oid = to_regclass(:name) AND NOT pg_has_role(relowner, 'USAGE')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indrelid = c.oid AND indisvalid
            AND pg_get_indexdef(indexrelid, 1, true) LIKE '%lead\_phone\_key\_v1(%'
    )
UNION ALL
SELECT format(
    '%s: the role %I does not own it, so the audit trail would not leave its import out', :name,
    session_user)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
WHERE :writes AND c.oid = to_regclass(:name) AND f.proname = 'audit_only_imports_skip'
    AND NOT pg_has_role(session_user, relowner, 'USAGE')
