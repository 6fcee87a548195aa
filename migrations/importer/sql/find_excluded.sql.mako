<%namespace name="leads" file="leads.mako"/>\
<%
    compared = [
        (f"k{n}", escaped(sql), escaped(operator))
        for n, (sql, operator) in enumerate(zip(unique.keys, unique.operators), start=1)
    ]
    reason = f"breaks the rule {unique.rule} of {table.leads.table} beside another lead or record"
%>\
-- Find records an exclusion constraint keeps away from another lead, or from an earlier record with
-- another phone.
INSERT INTO lead_import_rejected (record, field, reason)
WITH ${leads.keyed(unique, fails, changes)}
SELECT c._record, ${literal(field)}, ${literal(reason)}
FROM keyed AS c
WHERE c._record >= :start
    AND EXISTS (
        SELECT FROM ${table.whole}
        WHERE (${escaped(unique.predicate)})
            AND ${(" AND ").join(f"({sql}) {op} c.{key}" for key, sql, op in compared)}
            AND ${table.id} IS DISTINCT FROM c._lead_id
    )
% if unique.has_equality:
UNION
SELECT c._record, ${literal(field)}, ${literal(reason)}
FROM keyed AS c
WHERE c._record >= :start
    AND EXISTS (
        SELECT FROM keyed AS e
        WHERE ${(" AND ").join(f"e.{key} {op} c.{key}" for key, sql, op in compared)}
            AND e._record < c._record
            AND e._phone_key <> c._phone_key
    )
% endif
