<%namespace name="told" file="told.mako"/>\
-- The lead as it stands.
SELECT
    ${told.fields(table, table.columns, lambda column: f"CAST(l.{column.name} AS text)")} AS told
FROM ${table.name} AS l
WHERE l.${table.id} = CAST((SELECT lead_id FROM lead_trace_lead) AS ${table.id_type})
