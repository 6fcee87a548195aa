-- Convert the records' texts into the values to write. Halve whatever fails down to one block, and
-- convert its records field by field: catch each error and list it, so that no value reaches the
-- server's log. Halve by the arrived table's blocks: it has no index, and a preview, which only
-- reads, could make none.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_convert(_first bigint, _end bigint) RETURNS void
LANGUAGE plpgsql AS $convert$
#variable_conflict use_column
DECLARE
    _middle bigint := (_first + _end) / 2;
    _from tid := format('(%s,0)', _first);
    _to tid := format('(%s,0)', _end);
    _record integer;
BEGIN
    BEGIN
        INSERT INTO lead_import_stage
        SELECT
            a.*,
            '+' || phone_key,
            CAST(CASE WHEN status IS NOT NULL
                THEN coalesce(CAST('{"booked": "WON"}' AS jsonb) ->> status, 'OPEN') END AS stage),
            CAST((
                SELECT jsonb_object_agg(f.value, f.id) FROM lead_import_found AS f
                WHERE f.field = 'assigned_agent') ->> assigned_agent AS bigint),
            CAST(bill AS numeric)
        FROM lead_import_arrived AS a
        WHERE a.ctid >= _from AND a.ctid < _to;
        RETURN;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
    END;
    IF _end - _first > 1 THEN
        PERFORM pg_temp.lead_import_convert(_first, _middle);
        PERFORM pg_temp.lead_import_convert(_middle, _end);
        RETURN;
    END IF;
    FOR _record IN
        INSERT INTO lead_import_stage
        SELECT * FROM lead_import_arrived WHERE ctid >= _from AND ctid < _to
        RETURNING record
    LOOP
        BEGIN
            UPDATE lead_import_stage AS s
            SET written_phone = '+' || phone_key
            WHERE s.record = _record;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, 'phone', 'does not fit phone_number (character varying(20))');
        END;
        BEGIN
            UPDATE lead_import_stage AS s
            SET written_status = CAST(CASE WHEN status IS NOT NULL
                THEN coalesce(CAST('{"booked": "WON"}' AS jsonb) ->> status, 'OPEN') END AS stage)
            WHERE s.record = _record;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, 'status', 'does not fit stage (stage)');
        END;
        BEGIN
            UPDATE lead_import_stage AS s
            SET written_assigned_agent = CAST((
                SELECT jsonb_object_agg(f.value, f.id) FROM lead_import_found AS f
                WHERE f.field = 'assigned_agent') ->> assigned_agent AS bigint)
            WHERE s.record = _record;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, 'assigned_agent', 'does not fit owner (bigint)');
        END;
        BEGIN
            UPDATE lead_import_stage AS s
            SET written_bill = CAST(bill AS numeric)
            WHERE s.record = _record;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, 'bill', 'does not fit bill (numeric(10,2))');
        END;
    END LOOP;
END
$convert$
