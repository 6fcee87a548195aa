-- List the schemas the role may not look into, a line each.
SELECT format('the role %I may not look into the schema %I (GRANT USAGE)', current_user, nspname)
FROM pg_catalog.pg_namespace
WHERE nspname = ANY (CAST(:schemas AS text[])) AND NOT has_schema_privilege(oid, 'USAGE')
ORDER BY nspname
