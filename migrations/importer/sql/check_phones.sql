-- E.164 has no place for an extension.
INSERT INTO lead_import_rejected (record, field, reason)
SELECT record, 'phone', 'has an extension, and the CRM wants E.164'
FROM lead_import_stage
WHERE phone_key LIKE '%x%'
