<%
    staged = [(field.name, quoted(field.name)) for field in table.texts]
    # Where the records arrive, the server derives values anew by itself.
    derived = table.derived if table.converted else ()
    columns = (*table.parts, *derived, *table.converted)
    staged += [(column.field.name, column.written) for column in columns]
    kept = {column.field.name for column in table.columns if column.outlasts_blanks}
    of_new = {column.field.name for column in table.columns if column.position is None}
    folded = [
        (field, name)
        for field, name in staged
        if table.keeps_blanks or field in kept or field in of_new
    ]

    def value(field, name):
        if field in of_new:
            return f"(array_agg({name} ORDER BY record))[1]"
        is_filled = f"FILTER (WHERE {quoted(field)} IS NOT NULL)"
        return f"(array_agg({name} ORDER BY record DESC) {is_filled})[1]"
%>\
-- Give a phone's last record the earlier ones' values for blanks that keep them, and the first one's
-- time and what only new leads get, as if they had been imported one by one.
UPDATE lead_import_stage AS s
SET
% for _, name in folded:
    ${name} = folded.${name},
% endfor
    created_at = folded.created_at
FROM (
    SELECT
        r.last_record,
% for field, name in folded:
        ${value(field, name)}
            AS ${name},
% endfor
        (array_agg(created_at ORDER BY record))[1] AS created_at
    FROM lead_import_repeats AS r
    JOIN lead_import_stage USING (record)
    GROUP BY r.last_record
) AS folded
WHERE s.record = folded.last_record
