-- Show the leads these imports have added, from their first record of this run on.
SELECT
    made.record AS position,
    json_build_object(
            'lead_number', left(CAST(l.reference AS text), 401),
            'full_name', left(concat_ws(' ',
                    nullif(CAST(l.first_name AS text), ''),
                    nullif(CAST(l.last_name AS text), '')), 401),
            'phone', left(CAST(l.phone_number AS text), 401),
            'email', left(CAST(l.email AS text), 401),
            'status', left(CAST(l.stage AS text), 401),
            'assigned_agent', left(CAST(l.owner AS text), 401),
            'bill', left(CAST(l.bill AS text), 401)
        ) AS told,
    count(*) OVER () AS total
FROM lead_import_batches AS b
JOIN unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
    ON b.import_id = done.import_id AND b.first_record >= done.start
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
JOIN sales.customers AS l ON l.code = CAST(made.lead_id AS uuid)
ORDER BY b.import_id, made.record
LIMIT 10000
