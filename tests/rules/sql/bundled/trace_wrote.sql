-- What an import wrote into the lead: the record's values as converted, and for a blank the value
-- the lead had.
SELECT
    s.record,
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
JOIN lead_before_images AS i ON i.import_id = :import AND i.record = s.record
WHERE i.record = s.record
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
