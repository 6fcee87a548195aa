<%namespace name="told" file="told.mako"/>\
<%
    columns = table.columns if kind == "created" else table.compared

    def wrote(column):
        if kind == "created":
            return f"CAST({column.for_new} AS text)"
        return table.text_after(column, f"i.old_values[{column.position}]")
%>\
-- What an import wrote into the lead: the record's values as converted, and for a blank the value
-- the lead had.
SELECT
    s.record,
    ${told.fields(table, columns, wrote)} AS told
FROM lead_import_stage AS s
% if kind == "created":
JOIN lead_import_batches AS b ON b.import_id = :import
CROSS JOIN LATERAL unnest(b.created_ids, b.created_records) AS i (lead_id, record)
WHERE i.record = s.record
% else:
JOIN lead_before_images AS i ON i.import_id = :import AND i.record = s.record
WHERE i.record = s.record
% endif
    AND i.lead_id = (SELECT lead_id FROM lead_trace_lead)
