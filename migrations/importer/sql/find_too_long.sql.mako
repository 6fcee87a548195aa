INSERT INTO lead_import_rejected (record, field, reason)
SELECT
    record,
    ${literal(column.field.name)},
    ${literal(f"is longer than the {longest} characters of {table.told(column)}")}
FROM lead_import_stage AS s
WHERE record >= :start AND length(${column.staged}) > ${longest}
