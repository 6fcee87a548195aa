-- The records that the import has rejected, for whatever reason: it has no lead for them.
INSERT INTO lead_import_rejected (record, field, reason)
SELECT record, field, reason
FROM lead_import_rejects
WHERE import_id = :import
