<%namespace name="told" file="told.mako"/>\
<%
    old = lambda column: f"f.old_values[{column.position}]"
    new = lambda column: f"CAST(l.{column.name} AS text)"
%>\
-- Show the leads these imports have updated. If several update one lead, show what the first of
-- them found.
WITH done AS (
    SELECT *
    FROM unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
),
created AS (
    SELECT unnest(b.created_ids) AS lead_id
    FROM lead_import_batches AS b
    JOIN done ON b.import_id = done.import_id AND b.first_record >= done.start
),
first AS (
    SELECT DISTINCT ON (i.lead_id) i.import_id, i.record, i.lead_id, i.old_values
    FROM lead_before_images AS i
    JOIN done ON i.import_id = done.import_id AND i.record >= done.start
    WHERE NOT EXISTS (SELECT FROM created WHERE created.lead_id = i.lead_id)
    ORDER BY i.lead_id, i.import_id, i.record
)
SELECT
    to_json(l.${table.id}) AS id,
    f.record AS position,
    ${told.fields(table, table.compared, old, longest)} AS old,
    ${told.fields(table, table.compared, new, longest)} AS new,
    ${told.differing(table, table.compared, old, new)} AS fields,
    count(*) OVER () AS total
FROM first AS f
JOIN ${table.name} AS l ON l.${table.id} = CAST(f.lead_id AS ${table.id_type})
ORDER BY f.import_id, f.record
LIMIT ${most}
