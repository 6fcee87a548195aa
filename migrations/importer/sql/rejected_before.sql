-- Find the records the import has rejected, for any reason: it has no lead for them.
INSERT INTO lead_import_rejected (record, field, reason)
SELECT record, field, reason
FROM lead_import_rejects
WHERE import_id = :import
