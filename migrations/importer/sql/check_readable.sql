-- List existing tables the role may not read, a line each.
SELECT format('the role %I may not SELECT %s', current_user, to_regclass(needed))
FROM unnest(CAST(:tables AS text[])) AS needed
WHERE NOT has_table_privilege(to_regclass(needed), 'SELECT')
