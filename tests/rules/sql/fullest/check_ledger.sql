-- List what is missing of the ledger and of the phone key, a line each.
SELECT format('the table %s is not there', needed)
FROM unnest(ARRAY['lead_imports', 'lead_import_batches', 'lead_before_images', 'lead_import_rejects']) AS needed
WHERE to_regclass(needed) IS NULL
UNION ALL
SELECT format('the role %I may not %s %s', current_user, may, needed)
FROM unnest(ARRAY['lead_imports', 'lead_import_batches', 'lead_before_images', 'lead_import_rejects']) AS needed,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS may
WHERE NOT has_table_privilege(to_regclass(needed), may)
UNION ALL
SELECT 'the function lead_phone_key_v1(text) is not there'
WHERE to_regprocedure('lead_phone_key_v1(text)') IS NULL
UNION ALL
SELECT 'lead_imports lacks its unique index (CREATE UNIQUE INDEX lead_imports_live ON lead_imports '
    '(revision) WHERE reverted_at IS NULL)'
WHERE to_regclass('lead_imports') IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indrelid = to_regclass('lead_imports') AND indisunique AND indisvalid
            AND indpred IS NOT NULL  -- to read it would wait for whoever drops the ledger
    )
