CREATE FUNCTION audit_only_imports_skip() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
    IF pg_catalog.current_setting('app.skip_audit', true) = 'on' AND NOT (
        -- An import holds the deploy lock, and its role owns the table.
        EXISTS (
            SELECT FROM pg_catalog.pg_locks
            WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory' AND granted
                AND (classid::pg_catalog.int8 << 32) + objid::pg_catalog.int8 = 1
        )
        AND pg_catalog.pg_has_role(
            session_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'USAGE')
    ) THEN
        PERFORM pg_catalog.set_config('app.skip_audit', 'off', true);
    END IF;
    RETURN NULL;
END
$body$
