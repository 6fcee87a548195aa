-- If the role does not see a row, the revert would take it for missing.
SELECT format('the role %I may not DELETE %s', current_user, ${table.regclass})
WHERE NOT has_table_privilege(${table.regclass}, 'DELETE')
UNION
SELECT format('the role %I may not SELECT %s, which refers to leads', current_user, name)
FROM (${referrers}) AS referrer
JOIN pg_catalog.pg_class ON pg_class.oid = name::regclass
WHERE NOT has_table_privilege(name, 'SELECT') OR NOT has_schema_privilege(relnamespace, 'USAGE')
UNION
SELECT format(
    'row-level security on %s, which refers to leads, hides rows from the role %I',
    name, current_user)
FROM (${referrers}) AS referrer
WHERE row_security_active(name::regclass)
