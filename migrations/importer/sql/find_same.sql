-- Versions equal before one import are equal before the next one too.
INSERT INTO lead_revert_same (lead_id, version, was)
WITH RECURSIVE same AS (
    SELECT lead_id, restored_by AS version, seen_by AS was
    FROM lead_before_images
    WHERE restored_by IS NOT NULL
    UNION
    SELECT s.lead_id, s.version, i.seen_by
    FROM same AS s
    JOIN lead_before_images AS i ON i.lead_id = s.lead_id AND i.restored_by = s.was
)
SELECT lead_id, version, was FROM same
