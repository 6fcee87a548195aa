-- Find what is wrong with records: the first problems, and how many there are in all. An erased
-- person is no problem.
SELECT record, field, reason, count(*) OVER () AS total
FROM (SELECT DISTINCT record, field, reason FROM lead_import_rejected) AS found
WHERE reason <> :erased
ORDER BY record, field, reason
LIMIT :most
