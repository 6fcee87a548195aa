<%namespace name="told" file="told.mako"/>\
<%
    columns = table.columns if kind == "created" else table.compared

    def wrote(column):
        if kind == "created":
            return f"CAST({column.for_new} AS text)"
        return table.text_after(column, found(column))

    def found(column):
        return f"i.old_values[{column.position}]"
%>\
-- What an import found in the lead, as the columns' types of today write it, and what it wrote: the
-- record's values as converted, and for a blank the value the lead had.
SELECT
    s.record,
% if kind == "created":
    NULL AS found,
% else:
    ${told.fields(table, columns, found)} AS found,
% endif
    ${told.fields(table, columns, wrote)} AS told
FROM lead_import_stage AS s
% if kind == "created":
JOIN lead_import_batches AS b ON b.import_id = :import
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS i (lead_id, record)
WHERE i.record = s.record
% else:
JOIN (
    SELECT record, lead_id, ${table.as_today("old_values")} AS old_values
    FROM lead_before_images
    WHERE import_id = :import
        AND lead_id = (SELECT lead_id FROM lead_trace_lead)
) AS i ON i.record = s.record
WHERE i.record = s.record
% endif
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
