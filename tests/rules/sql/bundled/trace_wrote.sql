-- What an import found in the lead, as the columns' types of today write it, and what it wrote: the
-- record's values as converted, and for a blank the value the lead had.
SELECT
    s.record,
    json_build_object(
            'lead_number', i.old_values[1],
            'full_name', i.old_values[2],
            'phone', i.old_values[3],
            'email', i.old_values[4],
            'status', i.old_values[5],
            'address1', i.old_values[6],
            'postal_code', i.old_values[7],
            'notes', i.old_values[8],
            'assigned_agent', i.old_values[9]
        ) AS found,
    json_build_object(
            'lead_number', coalesce(CAST(s.lead_number AS text), i.old_values[1]),
            'full_name', coalesce(CAST(s.full_name AS text), i.old_values[2]),
            'phone', coalesce(CAST(s.phone AS text), i.old_values[3]),
            'email', coalesce(CAST(s.email AS text), i.old_values[4]),
            'status', coalesce(CAST(s.status AS text), i.old_values[5]),
            'address1', coalesce(CAST(s.address1 AS text), i.old_values[6]),
            'postal_code', coalesce(CAST(s.postal_code AS text), i.old_values[7]),
            'notes', coalesce(CAST(s.notes AS text), i.old_values[8]),
            'assigned_agent', coalesce(CAST(s.assigned_agent AS text), i.old_values[9])
        ) AS told
FROM lead_import_stage AS s
JOIN (
    SELECT record, lead_id, old_values AS old_values
    FROM lead_before_images
    WHERE import_id = :import
        AND lead_id = (SELECT lead_id FROM lead_trace_lead)
) AS i ON i.record = s.record
WHERE i.record = s.record
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
