-- List existing tables the role lacks a right on, a line each.
SELECT format('the role %I may not %s %s', current_user, :may, to_regclass(needed))
FROM unnest(CAST(:tables AS text[])) AS needed
WHERE NOT has_table_privilege(to_regclass(needed), :may)
