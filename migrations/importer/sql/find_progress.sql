-- Find how far the unfinished import is.
SELECT export, next_record, records
FROM lead_imports
WHERE finished_at IS NULL AND reverted_at IS NULL
ORDER BY id DESC
LIMIT 1
