-- Find what the site's own audit trail says of the lead.
SELECT action, changed_at AS at, changed_by, before, after
FROM lead_audit
WHERE lead_id = CAST((SELECT lead_id FROM lead_trace_lead) AS bigint)
ORDER BY changed_at, id
