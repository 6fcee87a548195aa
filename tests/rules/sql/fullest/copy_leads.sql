-- Copy the leads with a phone of the export, unless an earlier import has.
INSERT INTO pg_temp.lead_preview_copy (
    code,
    reference,
    first_name,
    last_name,
    phone_number,
    email,
    stage,
    owner,
    bill,
    created_on,
    changed_on,
    is_deleted
)
SELECT
    l.code,
    l.reference,
    l.first_name,
    l.last_name,
    l.phone_number,
    l.email,
    l.stage,
    l.owner,
    l.bill,
    l.created_on,
    l.changed_on,
    l.is_deleted
FROM sales.customers AS l
WHERE pg_temp.lead_phone_key_v1(CAST(l.phone_number AS text)) IN (SELECT phone_key FROM lead_import_stage)
    AND NOT EXISTS (SELECT FROM pg_temp.lead_preview_copy AS c WHERE c.code = l.code)
