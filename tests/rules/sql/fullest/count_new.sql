-- Count the records that no lead has yet, from a position on.
SELECT count(*)
FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                SELECT l.*
                FROM (
                    SELECT l.*
                    FROM sales.customers AS l
                    WHERE lead_phone_key_v1(CAST(l.phone_number AS text)) = s.phone_key
                        AND (NOT is_deleted)
                    OFFSET 0
                ) AS l
                ORDER BY l.created_on NULLS LAST, l.code
                LIMIT 1
            ) AS l ON true
WHERE s.record >= :start AND l.code IS NULL
