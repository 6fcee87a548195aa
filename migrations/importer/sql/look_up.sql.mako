<%
    target = column.target
    tries = [(form, by) for form in ("{}", "lower({})") for by in target.tried]
    words = literal(json.dumps(dict(target.names)))
    raw = quoted(column.field.name)
    field = literal(column.field.name)
%>\
-- Find the rows of ${target.table} the records name. Each try looks for what is not found yet.
-- Several rows for one name count as none.
DO $look_up$
BEGIN
    INSERT INTO lead_import_found (field, value, name)
    SELECT ${field}, raw, coalesce(CAST(${words} AS jsonb) ->> raw, raw)
    FROM (
        SELECT DISTINCT ${raw} AS raw FROM ${table.arrivals} WHERE ${raw} IS NOT NULL
% if target.otherwise is not None:
        UNION
        SELECT ${literal(target.otherwise)}
% endif
    ) AS named;
% for form, by in tries:

    UPDATE lead_import_found AS f
    SET id = one.id
    FROM (
        SELECT f.value, min(CAST(t.${quoted(target.id)} AS text)) AS id
        FROM lead_import_found AS f
        JOIN ${qualified(target.table)} AS t
            ON ${form.format(f"CAST(t.{quoted(by)} AS text)")} = ${form.format("f.name")}
        WHERE f.field = ${field} AND f.id IS NULL
        GROUP BY f.value
        HAVING count(*) = 1
    ) AS one
    WHERE f.field = ${field} AND f.value = one.value;
% endfor
% if target.otherwise is not None:

    UPDATE lead_import_found
    SET id = (
        SELECT id FROM lead_import_found
        WHERE field = ${field} AND value = ${literal(target.otherwise)}
    )
    WHERE field = ${field} AND id IS NULL;
% endif

    INSERT INTO lead_import_rejected (record, field, reason)
    SELECT a.record, ${field}, ${literal(
        f"names nobody in {target.table}, or more than one: try names= or otherwise="
    )}
    FROM ${table.arrivals} AS a
    JOIN lead_import_found AS f ON f.field = ${field} AND f.value = a.${raw}
    WHERE f.id IS NULL;
END
$look_up$
