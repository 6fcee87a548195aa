INSERT INTO lead_verify_created (record, lead_id, written_by)
SELECT made.record, made.lead_id, b.written_by
FROM lead_import_batches AS b
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
WHERE b.import_id = :import
