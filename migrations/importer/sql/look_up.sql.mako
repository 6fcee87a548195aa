<%
    target = column.target
    names = [target.by] if isinstance(target.by, str) else list(target.by)
    tries = [("{}", by) for by in names] + [("lower({})", by) for by in names]
    words = literal(json.dumps(dict(target.names)))
    raw = quoted(column.field.name)
    field = literal(column.field.name)
%>\
-- Find the rows of ${target.table} the records name. Each try looks for what is not found yet.
-- Several rows for one name count as none.
CREATE OR REPLACE FUNCTION pg_temp.${name}() RETURNS void
LANGUAGE plpgsql AS $look_up$
BEGIN
    DELETE FROM lead_import_wanted;
    INSERT INTO lead_import_wanted (value, name)
    SELECT raw, coalesce(CAST(${words} AS jsonb) ->> raw, raw)
    FROM (
        SELECT DISTINCT ${raw} AS raw FROM ${table.arrivals} WHERE ${raw} IS NOT NULL
% if target.otherwise is not None:
        UNION
        SELECT ${literal(target.otherwise)}
% endif
    ) AS named;
% for form, by in tries:

    INSERT INTO lead_import_found (field, value, id)
    SELECT ${field}, w.value, min(CAST(t.${quoted(target.id)} AS text))
    FROM lead_import_wanted AS w
    JOIN ${qualified(target.table)} AS t
        ON ${form.format(f"CAST(t.{quoted(by)} AS text)")} = ${form.format("w.name")}
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = ${field})
    GROUP BY w.value
    HAVING count(*) = 1;
% endfor
% if target.otherwise is not None:

    INSERT INTO lead_import_found (field, value, id)
    SELECT ${field}, w.value, f.id
    FROM lead_import_wanted AS w
    JOIN lead_import_found AS f ON f.field = ${field} AND f.value = ${literal(target.otherwise)}
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = ${field});
% endif

    INSERT INTO lead_import_rejected (record, field, reason)
    SELECT record, ${field}, ${literal(f"names nobody in {target.table}, or more than one")}
    FROM ${table.arrivals}
    WHERE ${raw} IS NOT NULL
        AND ${raw} NOT IN (SELECT value FROM lead_import_found WHERE field = ${field});
END
$look_up$
