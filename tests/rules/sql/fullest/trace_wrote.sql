-- What an import wrote into the lead: the record's values as converted, and for a blank the value
-- the lead had.
SELECT
    s.record,
    json_build_object(
            'full_name', concat_ws(' ', nullif(coalesce(CAST(s.written_full_name_1 AS text), ''), ''),
                nullif(coalesce(CAST(s.written_full_name_2 AS text), ''), '')),
            'phone', coalesce(CAST(s.written_phone AS text), ''),
            'email', CAST(s.email AS text),
            'status', coalesce(CAST(s.written_status AS text), i.old_values[5]),
            'assigned_agent', coalesce(CAST(s.written_assigned_agent AS text), i.old_values[6]),
            'bill', CAST(s.written_bill AS text)
        ) AS told
FROM lead_import_stage AS s
JOIN lead_before_images AS i ON i.import_id = :import AND i.record = s.record
WHERE i.record = s.record
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
