-- Find the leads somebody may mean, and by which column. The value itself is in lead_trace_asked.
SELECT CAST(l.code AS text) AS lead_id
FROM sales.customers AS l
WHERE CAST(l.reference AS text) = (SELECT value FROM lead_trace_asked)
    AND (NOT is_deleted)
ORDER BY l.code
LIMIT 10
