-- List existing tables with rows hidden from the role, a line each.
SELECT format(
    'row-level security on %s may hide rows from the role %I', to_regclass(needed), current_user)
FROM unnest(CAST(:tables AS text[])) AS needed
WHERE row_security_active(to_regclass(needed))
