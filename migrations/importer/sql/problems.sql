-- What is wrong with records: the first problems, and how many there are in all.
SELECT record, field, reason, count(*) OVER () AS total
FROM (SELECT DISTINCT record, field, reason FROM lead_import_rejected) AS found
ORDER BY record, field, reason
LIMIT :most
