-- Find the leads somebody may mean, and by which column. The value itself is in lead_trace_asked.
SELECT CAST(l.id AS text) AS lead_id
FROM leads AS l
WHERE CAST(l.lead_number AS text) = (SELECT value FROM lead_trace_asked)
    AND (true)
ORDER BY l.id
LIMIT 10
