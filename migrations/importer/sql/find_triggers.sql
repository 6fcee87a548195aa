-- Find the triggers an import fires, without our audit trail's.
SELECT t.tgname
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
WHERE t.tgrelid = to_regclass(:name) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    AND f.proname NOT IN ('audit_lead', 'audit_only_imports_skip')
ORDER BY t.tgname
