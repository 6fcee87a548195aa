-- Count the records that no lead has yet, from a position on.
SELECT count(*)
FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                SELECT l.*
                FROM (
                    SELECT l.*
                    FROM leads AS l
                    WHERE lead_phone_key_v1(CAST(l.phone AS text)) = s.phone_key
                        AND (true)
                    OFFSET 0
                ) AS l
                ORDER BY l.created_at NULLS LAST, l.id
                LIMIT 1
            ) AS l ON true
WHERE s.record >= :start AND l.id IS NULL
