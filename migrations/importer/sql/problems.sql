-- What the server found, of records that have passed until now; the first ones, and how many in all.
SELECT record, field, reason, count(*) OVER () AS total
FROM (
    SELECT DISTINCT record, field, reason
    FROM lead_import_rejected
    WHERE record IN (SELECT record FROM lead_import_stage)
) AS found
ORDER BY record, field, reason
LIMIT :most
