CREATE FUNCTION audit_lead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
    -- Compared with = 'on': after a transaction that has set it, the setting reads '', not NULL.
    IF pg_catalog.current_setting('app.skip_audit', true) = 'on' THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.lead_audit (lead_id, action, before, after)
    VALUES (
        CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
        pg_catalog.lower(TG_OP),
        CASE WHEN TG_OP <> 'INSERT' THEN pg_catalog.to_jsonb(OLD) END,
        CASE WHEN TG_OP <> 'DELETE' THEN pg_catalog.to_jsonb(NEW) END
    );
    RETURN NULL;
END
$body$
