INSERT INTO lead_import_repeats (record, last_record)
SELECT s.record, same.last_record
FROM lead_import_stage AS s
JOIN (
    SELECT phone_key, max(record) AS last_record
    FROM lead_import_stage
    GROUP BY phone_key
    HAVING count(*) > 1
) AS same ON same.phone_key = s.phone_key
