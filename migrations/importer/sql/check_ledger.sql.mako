-- List what is missing of the ledger and of the phone key, a line each.
SELECT format('the table %s is not there', needed)
FROM unnest(ARRAY[${", ".join(map(literal, ledger_tables))}]) AS needed
WHERE to_regclass(needed) IS NULL
UNION ALL
SELECT format('the role %I may not %s %s', current_user, may, needed)
FROM unnest(ARRAY[${", ".join(map(literal, ledger_tables))}]) AS needed,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS may
WHERE NOT has_table_privilege(to_regclass(needed), may)
UNION ALL
SELECT 'the function ${function}(text) is not there'
WHERE to_regprocedure('${function}(text)') IS NULL
