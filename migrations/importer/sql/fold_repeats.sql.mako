<%
    staged = [(field.name, quoted(field.name)) for field in table.texts]
    # Where the records arrive, the server derives values anew by itself.
    derived = table.derived if table.converted else ()
    columns = (*table.parts, *derived, *table.converted)
    staged += [(column.field.name, column.written) for column in columns]
    kept = {column.field.name for column in table.columns if column.outlasts_blanks}
    staged = [(field, name) for field, name in staged if table.keeps_blanks or field in kept]
%>\
-- Give a phone's last record the earlier ones' values for blanks that keep them, and the first one's
-- time, as if they had been imported one by one.
UPDATE lead_import_stage AS s
SET
% for _, name in staged:
    ${name} = folded.${name},
% endfor
    created_at = folded.created_at
FROM (
    SELECT
        r.last_record,
% for field, name in staged:
        (array_agg(${name} ORDER BY record DESC) FILTER (WHERE ${quoted(field)} IS NOT NULL))[1]
            AS ${name},
% endfor
        (array_agg(created_at ORDER BY record))[1] AS created_at
    FROM lead_import_repeats AS r
    JOIN lead_import_stage USING (record)
    GROUP BY r.last_record
) AS folded
WHERE s.record = folded.last_record
