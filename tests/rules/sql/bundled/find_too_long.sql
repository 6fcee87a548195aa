INSERT INTO lead_import_rejected (record, field, reason)
SELECT
    record,
    'lead_number',
    'is longer than the 20 characters of leads.lead_number'
FROM lead_import_stage AS s
WHERE record >= :start AND length(s.lead_number) > 20
