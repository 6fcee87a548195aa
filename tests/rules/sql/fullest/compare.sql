-- Updated leads hold the record, and for a blank their old value.
INSERT INTO lead_verify_found (record, edited)
SELECT
    s.record,
    CASE
        WHEN l.code IS NOT NULL THEN array_remove(ARRAY[
            CASE
                WHEN concat_ws(' ',
                    nullif(CASE WHEN later.lead_id IS NULL THEN CAST(l.first_name AS text)
                    ELSE later.old_values[1] END, ''),
                    nullif(CASE WHEN later.lead_id IS NULL THEN CAST(l.last_name AS text)
                    ELSE later.old_values[2] END, ''))
                    IS DISTINCT FROM concat_ws(' ',
                    nullif(coalesce(CAST(s.written_full_name_1 AS text), ''), ''),
                    nullif(coalesce(CAST(s.written_full_name_2 AS text), ''), ''))
                    COLLATE "C"
                THEN 'full_name'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.phone_number AS text)
                    ELSE later.old_values[3] END
                    IS DISTINCT FROM coalesce(CAST(s.written_phone AS text), '')
                    COLLATE "C"
                    AND (s.phone IS NULL OR s.written_phone IS NOT NULL)
                THEN 'phone'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.email AS text)
                    ELSE later.old_values[4] END
                    IS DISTINCT FROM coalesce(CAST(s.email AS text), CASE WHEN i.old_values[4] = '' THEN '' END)
                    COLLATE "C"
                THEN 'email'
            END,
            CASE
                WHEN CAST(CASE WHEN later.lead_id IS NULL THEN CAST(l.stage AS text)
                    ELSE later.old_values[5] END AS stage)
                    IS DISTINCT FROM CAST(coalesce(CAST(s.written_status AS text), i.old_values[5]) AS stage)
                    AND (s.status IS NULL OR s.written_status IS NOT NULL)
                THEN 'status'
            END,
            CASE
                WHEN CAST(CASE WHEN later.lead_id IS NULL THEN CAST(l.owner AS text)
                    ELSE later.old_values[6] END AS bigint)
                    IS DISTINCT FROM CAST(coalesce(CAST(s.written_assigned_agent AS text), i.old_values[6]) AS bigint)
                    AND (s.assigned_agent IS NULL OR s.written_assigned_agent IS NOT NULL)
                THEN 'assigned_agent'
            END,
            CASE
                WHEN CAST(CASE WHEN later.lead_id IS NULL THEN CAST(l.bill AS text)
                    ELSE later.old_values[7] END AS numeric(10,2))
                    IS DISTINCT FROM CAST(CAST(s.written_bill AS text) AS numeric(10,2))
                    AND (s.bill IS NULL OR s.written_bill IS NOT NULL)
                THEN 'bill'
            END
        ]::text[], NULL)
    END
FROM lead_import_stage AS s
JOIN (
    SELECT record, lead_id, pg_temp.lead_old_values(old_values) AS old_values
    FROM lead_before_images
    WHERE import_id = :import AND record >= :first AND record < :end
) AS i ON i.record = s.record
LEFT JOIN LATERAL (
    SELECT l.*, l.xmin
    FROM sales.customers AS l
    WHERE l.code = CAST(i.lead_id AS uuid)
    LIMIT 1
) AS l ON true
LEFT JOIN lead_verify_later AS later ON later.lead_id = CAST(l.code AS text)
WHERE s.record >= :first AND s.record < :end
    AND NOT EXISTS (SELECT FROM lead_verify_found AS f WHERE f.record = s.record)
