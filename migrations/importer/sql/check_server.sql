-- List what the server has against an import, beside check_session, a line each.
SELECT 'the server is read-only: it is a replica, or default_transaction_read_only is on'
WHERE pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
UNION ALL
SELECT 'track_counts is off: without it nobody can prove that nothing else was written'
WHERE current_setting('track_counts') = 'off'
UNION ALL
SELECT format('the role %I may not make tables in the schema %I (GRANT CREATE)',
    current_user, current_schema())
WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
UNION ALL
SELECT format('the role %I may not make tables in the default_tablespace %I (GRANT CREATE)',
    current_user, spcname)
FROM pg_catalog.pg_tablespace
WHERE spcname = current_setting('default_tablespace') AND NOT has_tablespace_privilege(oid, 'CREATE')
    AND oid <> (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = current_database())
UNION ALL
SELECT format('the role %I may not %s %s', current_user, may, :stamp)
FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS may
WHERE to_regclass(quote_ident(:stamp)) IS NOT NULL
    AND NOT has_table_privilege(to_regclass(quote_ident(:stamp)), may)
UNION ALL
-- New tables in another schema than stamp and ledger would be another CRM.
SELECT format(
    'search_path begins with the schema %I, and %s is in the schema %I: let it begin with that one',
    current_schema(), c.relname, n.nspname)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(quote_ident(:stamp)) AND n.nspname <> current_schema()
