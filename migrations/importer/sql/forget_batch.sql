-- Delete whole rows: a NULL is an old value too, and would be restored.
WITH gone AS (
    DELETE FROM lead_before_images
    WHERE import_id = :import
        AND record IN (
            SELECT record FROM lead_before_images
            WHERE import_id = :import
            ORDER BY record
            LIMIT :most
        )
    RETURNING record
)
UPDATE lead_imports
SET forgotten = forgotten + (SELECT count(*) FROM gone)
WHERE id = :import
RETURNING (SELECT count(*) FROM gone)
