-- Take every import of the revision: if an earlier one was reverted without its created leads, they
-- are still there.
INSERT INTO lead_revert_made (lead_id, record, written_by)
SELECT DISTINCT ON (made.lead_id) made.lead_id, made.record, b.written_by
FROM lead_imports AS i
JOIN lead_import_batches AS b ON b.import_id = i.id
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
WHERE i.revision = :revision
    AND made.lead_id NOT IN (
        SELECT lead_id
        FROM lead_before_images
        WHERE import_id = (
            SELECT id FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL
        )
    )
ORDER BY made.lead_id, i.id DESC
