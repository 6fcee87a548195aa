-- Return an old value in the column's type of today. If it does not fit, the lead's value stays.
CREATE OR REPLACE FUNCTION pg_temp.lead_revert_value_3(
    _old text, _now character varying(20)
) RETURNS character varying(20)
LANGUAGE plpgsql AS $value$
BEGIN
    DECLARE
        -- Not CAST: it cuts off in silence what is too long.
        _value character varying(20) := _old;
    BEGIN
        RETURN _value;
    END;
EXCEPTION WHEN OTHERS OR assert_failure THEN
    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
        RAISE;
    END IF;
    RETURN _now;
END
$value$
