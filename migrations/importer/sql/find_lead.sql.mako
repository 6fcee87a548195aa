<%
    asked = "(SELECT value FROM lead_trace_asked)"
%>\
-- Find the leads somebody may mean, and by which column. The value itself is in lead_trace_asked.
SELECT CAST(l.${table.id} AS text) AS lead_id
FROM ${table.name} AS l
% if by == "id":
WHERE ${f"l.{table.id} = CAST({asked} AS {cast})" if cast else f"CAST(l.{table.id} AS text) = {asked}"}
% elif by == "number":
WHERE CAST(l.${table.lead_number} AS text) = ${asked}
    AND (${table.only})
% else:
WHERE ${table.phone_key} = (SELECT ${table.key}(value) FROM lead_trace_asked)
    AND (${table.only})
% endif
ORDER BY l.${table.id}
LIMIT ${most}
