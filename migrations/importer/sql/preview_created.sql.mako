<%namespace name="told" file="told.mako"/>\
-- Show the leads these imports have added, from their first record of this run on.
SELECT
    made.record AS position,
    ${told.fields(table, table.columns, lambda column: f"CAST(l.{column.name} AS text)", longest)} AS told,
    count(*) OVER () AS total
FROM lead_import_batches AS b
JOIN unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
    ON b.import_id = done.import_id AND b.first_record >= done.start
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS made (lead_id, record)
JOIN ${table.name} AS l ON l.${table.id} = CAST(made.lead_id AS ${table.id_type})
ORDER BY b.import_id, made.record
LIMIT ${most}
