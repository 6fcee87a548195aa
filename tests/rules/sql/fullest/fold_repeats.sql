-- Give a phone's last record the earlier ones' values for blanks that keep them, and the first one's
-- time and what only new leads get, as if they had been imported one by one.
UPDATE lead_import_stage AS s
SET
    lead_number = folded.lead_number,
    status = folded.status,
    assigned_agent = folded.assigned_agent,
    written_status = folded.written_status,
    written_assigned_agent = folded.written_assigned_agent,
    created_at = folded.created_at
FROM (
    SELECT
        r.last_record,
        (array_agg(lead_number ORDER BY record))[1]
            AS lead_number,
        (array_agg(status ORDER BY record DESC) FILTER (WHERE status IS NOT NULL))[1]
            AS status,
        (array_agg(assigned_agent ORDER BY record DESC) FILTER (WHERE assigned_agent IS NOT NULL))[1]
            AS assigned_agent,
        (array_agg(written_status ORDER BY record DESC) FILTER (WHERE status IS NOT NULL))[1]
            AS written_status,
        (array_agg(written_assigned_agent ORDER BY record DESC) FILTER (WHERE assigned_agent IS NOT NULL))[1]
            AS written_assigned_agent,
        (array_agg(created_at ORDER BY record))[1] AS created_at
    FROM lead_import_repeats AS r
    JOIN lead_import_stage USING (record)
    GROUP BY r.last_record
) AS folded
WHERE s.record = folded.last_record
