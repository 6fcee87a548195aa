-- Find records whose leads would break a rule of the table: all at once, or one by one if the rule
-- itself fails on one of them.
DO $find$
DECLARE
    _record integer;
BEGIN
    BEGIN
        INSERT INTO lead_import_rejected (record, field, reason)
        SELECT w._record, 'email', 'breaks the rule of e-mails'
        FROM (
            SELECT
                s.record AS _record,
                l._id,
                CAST(CASE
            WHEN l._id IS NULL THEN s.email
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
                    SELECT l.*, l.code AS _id
                    FROM sales.customers AS l
                    WHERE lead_phone_key_v1(CAST(l.phone_number AS text)) = s.phone_key
                        AND (NOT is_deleted)
                    OFFSET 0
                ) AS l
                ORDER BY l.created_on NULLS LAST, l.code
                LIMIT 1
            ) AS l ON true
            WHERE s.record >= 0 
                AND (l._id IS NULL OR true)
        ) AS w
        WHERE NOT (email <> '');
        RETURN;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
    END;
    FOR _record IN SELECT s.record FROM lead_import_stage AS s WHERE s.record >= 0 LOOP
        BEGIN
            INSERT INTO lead_import_rejected (record, field, reason)
            SELECT w._record, 'email', 'breaks the rule of e-mails'
        FROM (
            SELECT
                s.record AS _record,
                l._id,
                CAST(CASE
            WHEN l._id IS NULL THEN s.email
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
                    SELECT l.*, l.code AS _id
                    FROM sales.customers AS l
                    WHERE lead_phone_key_v1(CAST(l.phone_number AS text)) = s.phone_key
                        AND (NOT is_deleted)
                    OFFSET 0
                ) AS l
                ORDER BY l.created_on NULLS LAST, l.code
                LIMIT 1
            ) AS l ON true
            WHERE s.record >= _record AND s.record = _record
                AND (l._id IS NULL OR true)
        ) AS w
        WHERE NOT (email <> '');
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, 'email', 'breaks the rule of e-mails');
        END;
    END LOOP;
END
$find$
