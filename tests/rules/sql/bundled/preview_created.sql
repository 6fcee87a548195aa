-- Show the leads these imports have added, from their first record of this run on.
SELECT
    made.record AS position,
    json_build_object(
            'lead_number', left(CAST(l.lead_number AS text), 401),
            'full_name', left(CAST(l.full_name AS text), 401),
            'phone', left(CAST(l.phone AS text), 401),
            'email', left(CAST(l.email AS text), 401),
            'status', left(CAST(l.status AS text), 401),
            'address1', left(CAST(l.address1 AS text), 401),
            'postal_code', left(CAST(l.postal_code AS text), 401),
            'notes', left(CAST(l.notes AS text), 401),
            'assigned_agent', left(CAST(l.assigned_agent AS text), 401)
        ) AS told,
    count(*) OVER () AS total
FROM lead_import_batches AS b
JOIN unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
    ON b.import_id = done.import_id AND b.first_record >= done.start
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
JOIN leads AS l ON l.id = CAST(made.lead_id AS bigint)
ORDER BY b.import_id, made.record
LIMIT 10000
