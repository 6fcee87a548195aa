-- Find the indexes on the phone's key that have a name of ours, whatever became of their tables.
SELECT i.oid::regclass::text
FROM pg_catalog.pg_class AS i
WHERE i.relkind = 'i' AND i.relname LIKE '%\_phone\_key\_v1'
    AND i.oid IN (
        SELECT objid
        FROM pg_catalog.pg_depend
        WHERE refclassid = 'pg_proc'::regclass
            AND refobjid = to_regprocedure(:function || '(text)')
    )
ORDER BY 1
