-- Delete the old values of one lead, in all these imports.
WITH gone AS (
    DELETE FROM lead_before_images
    WHERE lead_id = (SELECT lead_id FROM lead_trace_lead)
        AND import_id = ANY (CAST(:imports AS bigint[]))
    RETURNING import_id
),
counted AS (
    SELECT import_id, count(*) AS rows FROM gone GROUP BY import_id
)
UPDATE lead_imports
SET forgotten = forgotten + counted.rows
FROM counted
WHERE id = counted.import_id
