-- Copy the leads with a phone of the export, unless an earlier import has.
INSERT INTO pg_temp.lead_preview_copy (
    id,
    lead_number,
    full_name,
    phone,
    email,
    status,
    address1,
    postal_code,
    notes,
    assigned_agent,
    created_at,
    updated_at
)
SELECT
    l.id,
    l.lead_number,
    l.full_name,
    l.phone,
    l.email,
    l.status,
    l.address1,
    l.postal_code,
    l.notes,
    l.assigned_agent,
    l.created_at,
    l.updated_at
FROM leads AS l
WHERE pg_temp.lead_phone_key_v1(CAST(l.phone AS text)) IN (SELECT phone_key FROM lead_import_stage)
    AND NOT EXISTS (SELECT FROM pg_temp.lead_preview_copy AS c WHERE c.id = l.id)
