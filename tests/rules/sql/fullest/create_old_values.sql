-- Return a before-image as the columns' types of today write it. What does not fit is NULL.
CREATE OR REPLACE FUNCTION pg_temp.lead_old_values(_old text[]) RETURNS text[]
LANGUAGE plpgsql AS $values$
BEGIN
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value text := _old[1];
        BEGIN
            _old[1] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[1] := NULL;
    END;
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value text := _old[2];
        BEGIN
            _old[2] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[2] := NULL;
    END;
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value character varying(20) := _old[3];
        BEGIN
            _old[3] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[3] := NULL;
    END;
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value stage := _old[5];
        BEGIN
            _old[5] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[5] := NULL;
    END;
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value bigint := _old[6];
        BEGIN
            _old[6] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[6] := NULL;
    END;
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value numeric(10,2) := _old[7];
        BEGIN
            _old[7] := _value;
        END;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _old[7] := NULL;
    END;
    RETURN _old;
END
$values$
