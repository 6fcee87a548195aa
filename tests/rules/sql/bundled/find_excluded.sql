-- Find records an exclusion constraint keeps away from another lead, or from an earlier record with
-- another phone.
INSERT INTO lead_import_rejected (record, field, reason)
WITH would_be AS MATERIALIZED (
    SELECT
        s.record AS _record,
        s.phone_key AS _phone_key,
        l.id AS _lead_id,
        CASE
            WHEN l.id IS NULL THEN coalesce(s.email, '')
            ELSE coalesce(s.email, l.email)
        END AS email
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
    WHERE (l.id IS NULL OR s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number)
    -- If it cannot be computed for a record, this is listed already. MATERIALIZED, or from Postgres
    -- 19 on it is computed all the same, and fails.
        AND s.record NOT IN (
            SELECT record FROM lead_import_rejected WHERE reason IN ('makes the index unique_email fail')
        )
),
keyed AS (
    SELECT
        _record,
        _phone_key,
        _lead_id,
        lower(email) AS k1
    FROM would_be
    WHERE email IS NOT NULL
)
SELECT c._record, 'email', 'breaks the rule one_email of leads beside another lead or record'
FROM keyed AS c
WHERE c._record >= :start
    AND EXISTS (
        SELECT FROM leads
        WHERE (email IS NOT NULL)
            AND (lower(email)) OPERATOR(pg_catalog.=) c.k1
            AND id IS DISTINCT FROM c._lead_id
    )
UNION
SELECT c._record, 'email', 'breaks the rule one_email of leads beside another lead or record'
FROM keyed AS c
WHERE c._record >= :start
    AND EXISTS (
        SELECT FROM keyed AS e
        WHERE e.k1 OPERATOR(pg_catalog.=) c.k1
            AND e._record < c._record
            AND e._phone_key <> c._phone_key
    )
