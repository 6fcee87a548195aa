-- Find records whose leads would break a rule of the table.
DO $find$
DECLARE
    _record integer;
BEGIN
    -- One look at all rules is enough if no record breaks any.
    BEGIN
        IF NOT EXISTS (
            SELECT FROM (
            SELECT
                s.record AS _record,
                l.code AS _lead_id,
                CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email,
                (l.code IS NULL OR true) AS _looked_at_1,
                (l.code IS NULL OR false) AS _looked_at_2
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
            WHERE s.record >= 0
            ) AS w
            WHERE w._looked_at_1 AND (NOT (email <> ''))
                OR w._looked_at_2 AND (w._lead_id IS NULL AND w.email IS NULL)
        ) THEN
            RETURN;
        END IF;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
    END;

    -- All records at once, or one by one if the rule itself fails on one of them.
    BEGIN
        INSERT INTO lead_import_rejected (record, field, reason)
        SELECT w._record, 'email', 'breaks the rule of e-mails'
        FROM (
            SELECT
                s.record AS _record,
                l.code AS _lead_id,
                CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email,
                (l.code IS NULL OR true) AS _looked_at_1
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
            WHERE s.record >= 0
        ) AS w
        WHERE w._looked_at_1 AND (NOT (email <> ''));
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        FOR _record IN SELECT s.record FROM lead_import_stage AS s WHERE s.record >= 0 LOOP
            BEGIN
                INSERT INTO lead_import_rejected (record, field, reason)
                SELECT w._record, 'email', 'breaks the rule of e-mails'
        FROM (
            SELECT
                s.record AS _record,
                l.code AS _lead_id,
                CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email,
                (l.code IS NULL OR true) AS _looked_at_1
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
            WHERE s.record = _record
        ) AS w
        WHERE w._looked_at_1 AND (NOT (email <> ''));
            EXCEPTION WHEN OTHERS OR assert_failure THEN
                IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                    RAISE;
                END IF;
                INSERT INTO lead_import_rejected (record, field, reason)
                VALUES (_record, 'email', 'breaks the rule of e-mails');
            END;
        END LOOP;
    END;

    -- All records at once, or one by one if the rule itself fails on one of them.
    BEGIN
        INSERT INTO lead_import_rejected (record, field, reason)
        SELECT w._record, 'email', 'is blank'
        FROM (
            SELECT
                s.record AS _record,
                l.code AS _lead_id,
                CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email,
                (l.code IS NULL OR false) AS _looked_at_2
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
            WHERE s.record >= 0
        ) AS w
        WHERE w._looked_at_2 AND (w._lead_id IS NULL AND w.email IS NULL);
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        FOR _record IN SELECT s.record FROM lead_import_stage AS s WHERE s.record >= 0 LOOP
            BEGIN
                INSERT INTO lead_import_rejected (record, field, reason)
                SELECT w._record, 'email', 'is blank'
        FROM (
            SELECT
                s.record AS _record,
                l.code AS _lead_id,
                CAST(CASE
            WHEN l.code IS NULL THEN s.email
            ELSE CASE
            WHEN nullif(CAST(l.email AS text) COLLATE "C", '') IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN s.email
            ELSE l.email
        END
        END AS citext) AS email,
                (l.code IS NULL OR false) AS _looked_at_2
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
            WHERE s.record = _record
        ) AS w
        WHERE w._looked_at_2 AND (w._lead_id IS NULL AND w.email IS NULL);
            EXCEPTION WHEN OTHERS OR assert_failure THEN
                IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                    RAISE;
                END IF;
                INSERT INTO lead_import_rejected (record, field, reason)
                VALUES (_record, 'email', 'is blank');
            END;
        END LOOP;
    END;
END
$find$
