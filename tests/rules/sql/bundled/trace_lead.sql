-- The lead as it stands.
SELECT
    json_build_object(
            'lead_number', CAST(l.lead_number AS text),
            'full_name', CAST(l.full_name AS text),
            'phone', CAST(l.phone AS text),
            'email', CAST(l.email AS text),
            'status', CAST(l.status AS text),
            'address1', CAST(l.address1 AS text),
            'postal_code', CAST(l.postal_code AS text),
            'notes', CAST(l.notes AS text),
            'assigned_agent', CAST(l.assigned_agent AS text)
        ) AS told
FROM leads AS l
WHERE l.id = CAST((SELECT lead_id FROM lead_trace_lead) AS bigint)
