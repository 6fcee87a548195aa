-- Updated leads hold the record, and for a blank their old value.
INSERT INTO lead_verify_found (record, edited)
SELECT
    s.record,
    CASE
        WHEN l.id IS NOT NULL THEN array_remove(ARRAY[
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.lead_number AS text)
                    ELSE later.old_values[1] END
                    IS DISTINCT FROM coalesce(CAST(s.lead_number AS text), i.old_values[1])
                    COLLATE "C"
                THEN 'lead_number'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.full_name AS text)
                    ELSE later.old_values[2] END
                    IS DISTINCT FROM coalesce(CAST(s.full_name AS text), i.old_values[2])
                    COLLATE "C"
                THEN 'full_name'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.phone AS text)
                    ELSE later.old_values[3] END
                    IS DISTINCT FROM coalesce(CAST(s.phone AS text), i.old_values[3])
                    COLLATE "C"
                THEN 'phone'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.email AS text)
                    ELSE later.old_values[4] END
                    IS DISTINCT FROM coalesce(CAST(s.email AS text), i.old_values[4])
                    COLLATE "C"
                THEN 'email'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.status AS text)
                    ELSE later.old_values[5] END
                    IS DISTINCT FROM coalesce(CAST(s.status AS text), i.old_values[5])
                    COLLATE "C"
                THEN 'status'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.address1 AS text)
                    ELSE later.old_values[6] END
                    IS DISTINCT FROM coalesce(CAST(s.address1 AS text), i.old_values[6])
                    COLLATE "C"
                THEN 'address1'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.postal_code AS text)
                    ELSE later.old_values[7] END
                    IS DISTINCT FROM coalesce(CAST(s.postal_code AS text), i.old_values[7])
                    COLLATE "C"
                THEN 'postal_code'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.notes AS text)
                    ELSE later.old_values[8] END
                    IS DISTINCT FROM coalesce(CAST(s.notes AS text), i.old_values[8])
                    COLLATE "C"
                THEN 'notes'
            END,
            CASE
                WHEN CASE WHEN later.lead_id IS NULL THEN CAST(l.assigned_agent AS text)
                    ELSE later.old_values[9] END
                    IS DISTINCT FROM coalesce(CAST(s.assigned_agent AS text), i.old_values[9])
                    COLLATE "C"
                THEN 'assigned_agent'
            END
        ]::text[], NULL)
    END
FROM lead_import_stage AS s
JOIN (
    SELECT record, lead_id, old_values AS old_values
    FROM lead_before_images
    WHERE import_id = :import AND record >= :first AND record < :end
) AS i ON i.record = s.record
LEFT JOIN LATERAL (
    SELECT l.*, l.xmin
    FROM leads AS l
    WHERE l.id = CAST(i.lead_id AS bigint)
    LIMIT 1
) AS l ON true
LEFT JOIN lead_verify_later AS later ON later.lead_id = CAST(l.id AS text)
WHERE s.record >= :first AND s.record < :end
    AND NOT EXISTS (SELECT FROM lead_verify_found AS f WHERE f.record = s.record)
