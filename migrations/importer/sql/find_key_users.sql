-- Find what depends on the phone key's function.
SELECT DISTINCT pg_describe_object(classid, objid, 0)
FROM pg_catalog.pg_depend
WHERE refclassid = 'pg_proc'::regclass AND refobjid = to_regprocedure(:function || '(text)')
ORDER BY 1
