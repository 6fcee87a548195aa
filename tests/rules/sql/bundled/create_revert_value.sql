-- Return an old value in the column's type of today. If it does not fit, the lead's value stays.
CREATE OR REPLACE FUNCTION pg_temp.lead_revert_value(_old text, _now numeric(10,2))
RETURNS numeric(10,2)
LANGUAGE plpgsql AS $value$
BEGIN
    RETURN CAST(_old AS numeric(10,2));
EXCEPTION WHEN OTHERS OR assert_failure THEN
    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
        RAISE;
    END IF;
    RETURN _now;
END
$value$
