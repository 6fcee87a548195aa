INSERT INTO lead_verify_later (lead_id, old_values)
SELECT DISTINCT ON (lead_id) lead_id, ${table.as_today("old_values")}
FROM lead_before_images
WHERE import_id = ANY(CAST(:later AS bigint[]))
ORDER BY lead_id, import_id, record
