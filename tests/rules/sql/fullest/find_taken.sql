-- Find records whose unique values another lead has, or an earlier record with another phone.
INSERT INTO lead_import_rejected (record, field, reason)
WITH would_be AS MATERIALIZED (
    SELECT
        s.record AS _record,
        s.phone_key AS _phone_key,
        l.code AS _lead_id,
        CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email
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
    WHERE (l.code IS NULL OR l.first_name IS DISTINCT FROM coalesce(s.written_full_name_1, ''))
    -- If it cannot be computed for a record, this is listed already. MATERIALIZED, or from Postgres
    -- 19 on it is computed all the same, and fails.
        AND s.record NOT IN (
            SELECT record FROM lead_import_rejected WHERE reason IN ('makes the index unique_email of leads fail')
        )
),
keyed AS (
    SELECT
        _record,
        _phone_key,
        _lead_id,
        email AS k1,
        lower(reference) AS k2
    FROM would_be
    WHERE email IS NOT NULL
),
compared AS (
    SELECT
        *,
        first_value(_phone_key) OVER (PARTITION BY k1, k2 ORDER BY _record) AS first
    FROM keyed
)
SELECT c._record, 'email', 'is another row''s or record''s, and sales.customers.email is unique'
FROM compared AS c
WHERE c._record >= :start
    AND (
        c.first <> c._phone_key
        OR c.k1 IS NOT NULL AND c.k2 IS NOT NULL
        AND EXISTS (
            SELECT FROM sales.customers
            WHERE (email IS NOT NULL)
                AND (email) = c.k1 AND (lower(reference)) = c.k2
                AND code IS DISTINCT FROM c._lead_id
        )
        OR c.k1 IS NOT NULL AND c.k2 IS NULL
        AND EXISTS (
            SELECT FROM sales.customers
            WHERE (email IS NOT NULL)
                AND (email) = c.k1 AND (lower(reference)) IS NULL
                AND code IS DISTINCT FROM c._lead_id
        )
        OR c.k1 IS NULL AND c.k2 IS NOT NULL
        AND EXISTS (
            SELECT FROM sales.customers
            WHERE (email IS NOT NULL)
                AND (email) IS NULL AND (lower(reference)) = c.k2
                AND code IS DISTINCT FROM c._lead_id
        )
        OR c.k1 IS NULL AND c.k2 IS NULL
        AND EXISTS (
            SELECT FROM sales.customers
            WHERE (email IS NOT NULL)
                AND (email) IS NULL AND (lower(reference)) IS NULL
                AND code IS DISTINCT FROM c._lead_id
        )
    )
