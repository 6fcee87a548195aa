-- Is the bundled CRM's own trail there, filled by a trigger on its leads?
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger
    WHERE tgrelid = to_regclass(:name) AND tgname = 'audit_lead' AND NOT tgisinternal
) AND coalesce(has_table_privilege(to_regclass('lead_audit'), 'SELECT'), false)
