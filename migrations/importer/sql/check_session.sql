-- List what keeps every command on leads from working, a line each.
SELECT 'the server is Postgres ' || current_setting('server_version') || ', expected 13 or newer'
WHERE current_setting('server_version_num')::integer < 130000
UNION ALL
SELECT 'the database is encoded in ' || current_setting('server_encoding') || ', expected UTF8'
WHERE current_setting('server_encoding') <> 'UTF8'
UNION ALL
SELECT format('search_path names no schema that is there and the role %I may use (GRANT USAGE): %s',
    current_user, current_setting('search_path'))
WHERE current_schema() IS NULL
UNION ALL
SELECT format('the role %I may not make temporary tables (GRANT TEMPORARY ON DATABASE)', current_user)
WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL
SELECT format('the role %I may not use the language plpgsql (GRANT USAGE ON LANGUAGE)', current_user)
WHERE NOT has_language_privilege('plpgsql', 'USAGE')
