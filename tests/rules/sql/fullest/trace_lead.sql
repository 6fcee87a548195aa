-- The lead as it stands.
SELECT
    json_build_object(
            'lead_number', CAST(l.reference AS text),
            'full_name', concat_ws(' ',
                    nullif(CAST(l.first_name AS text), ''),
                    nullif(CAST(l.last_name AS text), '')),
            'phone', CAST(l.phone_number AS text),
            'email', CAST(l.email AS text),
            'status', CAST(l.stage AS text),
            'assigned_agent', CAST(l.owner AS text),
            'bill', CAST(l.bill AS text)
        ) AS told
FROM sales.customers AS l
WHERE l.code = CAST((SELECT lead_id FROM lead_trace_lead) AS uuid)
