-- Find imports whose old values may go: complete for so long, or reverted for so long. An
-- unfinished import or revert still needs them.
SELECT
    id,
    export,
    (SELECT count(*) FROM lead_before_images WHERE import_id = lead_imports.id) AS old_values
FROM lead_imports
WHERE CASE
        WHEN reverted_at IS NOT NULL THEN reverted_at
        WHEN revert_next_record = 0 AND next_record = records THEN finished_at
    END <= now() - make_interval(days => :days)
ORDER BY id
