## The leads that the records have, and what a unique rule would compare of them.

## The oldest lead of a record's phone, in place of a row. OFFSET 0 keeps the search apart from the
## order. Without it, if the server takes a phone for common, as in a table never analysed, it walks
## through an index on the order's columns.
<%def name="lead_of_phone()">\
SELECT l.*
                FROM (
                    SELECT l.*
                    FROM ${table.name} AS l
                    WHERE ${table.phone_key} = s.phone_key
                        AND (${table.only})
                    OFFSET 0
                ) AS l
                ORDER BY ${table.oldest_first}
                LIMIT 1\
</%def>

<%def name="records_with_leads()">\
FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                ${lead_of_phone()}
            ) AS l ON true\
</%def>

## What the server computes of other columns.
<%def name="computed(names)">\
${", ".join(f"{sql} AS {name}" for name, sql in foreseen(table).computed(names))}\
</%def>

## What a unique index or an exclusion constraint would compare of each record's lead, if it changes.
## Whoever wants the values of another lead meets that lead in the table.
<%def name="keyed(unique, fails, changes)">\
would_be AS ${"MATERIALIZED " if fails else ""}(
    SELECT
        s.record AS _record,
        s.phone_key AS _phone_key,
        l.${table.id} AS _lead_id,
        ${(",\n        ").join(f"{value} AS {name}" for name, value in foreseen(table).would_be(unique.columns))}
    ${records_with_leads()}
    WHERE (l.${table.id} IS NULL OR ${changes})
% if fails:
    -- If it cannot be computed for a record, this is listed already. MATERIALIZED, or from Postgres
    -- 19 on it is computed all the same, and fails.
        AND s.record NOT IN (
            SELECT record FROM lead_import_rejected WHERE reason IN (${", ".join(map(literal, fails))})
        )
% endif
),
keyed AS (
    SELECT
        _record,
        _phone_key,
        _lead_id,
        ${(",\n        ").join(f"{escaped(sql)} AS k{n}" for n, sql in enumerate(unique.keys, start=1))}
% if foreseen(table).computed(unique.columns):
    FROM (SELECT *, ${computed(unique.columns)} FROM would_be) AS w
% else:
    FROM would_be
% endif
    WHERE ${escaped(unique.predicate)}
)\
</%def>
