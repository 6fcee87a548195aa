-- Only the owner of a table may make an index on it.
SELECT format(
    'the role %I does not own the table %s, which needs an index on the phone''s key', current_user,
    oid::regclass)
FROM pg_catalog.pg_class
WHERE oid = to_regclass(:name) AND NOT pg_has_role(relowner, 'USAGE')
