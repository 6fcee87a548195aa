-- List what keeps a role from reading, beside check_session, a line each.
SELECT 'the server is a replica, where no temporary tables can be made'
WHERE pg_is_in_recovery()
