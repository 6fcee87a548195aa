-- List what the server itself has against an import, a line each.
SELECT 'the server is read-only: it is a replica, or default_transaction_read_only is on'
WHERE pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
UNION ALL
SELECT 'the server is Postgres ' || current_setting('server_version') || ', expected 13 or newer'
WHERE current_setting('server_version_num')::integer < 130000
UNION ALL
SELECT 'the database is encoded in ' || current_setting('server_encoding') || ', expected UTF8'
WHERE current_setting('server_encoding') <> 'UTF8'
UNION ALL
SELECT 'track_counts is off: without it nobody can prove that nothing else was written'
WHERE current_setting('track_counts') = 'off'
UNION ALL
SELECT 'search_path names no schema that is there: ' || current_setting('search_path')
WHERE current_schema() IS NULL
UNION ALL
SELECT format('the role %I may not make tables in the schema %I (GRANT CREATE)',
    current_user, current_schema())
WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
UNION ALL
SELECT format('the role %I may not make temporary tables (GRANT TEMPORARY ON DATABASE)', current_user)
WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL
SELECT format('the role %I may not use the language plpgsql (GRANT USAGE ON LANGUAGE)', current_user)
WHERE NOT has_language_privilege('plpgsql', 'USAGE')
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
