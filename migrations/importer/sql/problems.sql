-- What the server found, of records that have passed until now.
SELECT DISTINCT record, field, reason
FROM lead_import_rejected
WHERE record IN (SELECT record FROM lead_import_stage)
ORDER BY record, field, reason
