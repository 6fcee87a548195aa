-- List what is missing of the ledger and of the phone key, a line each.
SELECT format('the table %s is not there', needed)
FROM unnest(CAST(:tables AS text[])) AS needed
WHERE to_regclass(needed) IS NULL
UNION ALL
SELECT format('the role %I may not %s %s', current_user, may, needed)
FROM unnest(CAST(:tables AS text[])) AS needed,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS may
WHERE NOT has_table_privilege(to_regclass(needed), may)
UNION ALL
SELECT format('the function %s(text) is not there', :function)
WHERE to_regprocedure(:function || '(text)') IS NULL
UNION ALL
SELECT format('the role %I may not EXECUTE the function %s(text)', current_user, :function)
WHERE NOT has_function_privilege(to_regprocedure(:function || '(text)'), 'EXECUTE')
UNION ALL
SELECT 'lead_imports lacks its unique index (CREATE UNIQUE INDEX lead_imports_live ON lead_imports '
    '(revision) WHERE reverted_at IS NULL)'
WHERE :imports AND to_regclass('lead_imports') IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indrelid = to_regclass('lead_imports') AND indisunique AND indisvalid
            AND indpred IS NOT NULL  -- to read it would wait for whoever drops the ledger
    )
