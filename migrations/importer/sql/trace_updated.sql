-- Find the records of imports that changed the lead, and what it was before.
SELECT import_id, record, old_values, imported_at AS at
FROM lead_before_images
WHERE lead_id = (SELECT lead_id FROM lead_trace_lead)
