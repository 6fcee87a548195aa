-- What an import found in the lead, as the columns' types of today write it, and what it wrote: the
-- record's values as converted, and for a blank the value the lead had.
SELECT
    s.record,
    json_build_object(
            'full_name', concat_ws(' ',
                    nullif(i.old_values[1], ''),
                    nullif(i.old_values[2], '')),
            'phone', i.old_values[3],
            'email', i.old_values[4],
            'status', i.old_values[5],
            'assigned_agent', i.old_values[6],
            'bill', i.old_values[7]
        ) AS found,
    json_build_object(
            'full_name', concat_ws(' ',
                    nullif(coalesce(CAST(s.written_full_name_1 AS text), ''), ''),
                    nullif(coalesce(CAST(s.written_full_name_2 AS text), ''), '')),
            'phone', coalesce(CAST(s.written_phone AS text), ''),
            'email', coalesce(CAST(s.email AS text), CASE WHEN i.old_values[4] = '' THEN '' END),
            'status', coalesce(CAST(s.written_status AS text), i.old_values[5]),
            'assigned_agent', coalesce(CAST(s.written_assigned_agent AS text), i.old_values[6]),
            'bill', CAST(s.written_bill AS text)
        ) AS told
FROM lead_import_stage AS s
JOIN (
    SELECT record, lead_id, pg_temp.lead_old_values(old_values) AS old_values
    FROM lead_before_images
    WHERE import_id = :import
        AND lead_id = (SELECT lead_id FROM lead_trace_lead)
) AS i ON i.record = s.record
WHERE i.record = s.record
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
