<%namespace name="shared" file="shared.mako"/>\
-- Return an old value in the column's type of today. If it does not fit, the lead's value stays.
CREATE OR REPLACE FUNCTION pg_temp.lead_revert_value_${column.position}(
    _old text, _now ${column.restored_as}
) RETURNS ${column.restored_as}
LANGUAGE plpgsql AS $value$
BEGIN
    DECLARE
        -- Not CAST: it cuts off in silence what is too long.
        _value ${column.restored_as} := _old;
    BEGIN
        RETURN _value;
    END;
${shared.exception_for_a_row("")}
    RETURN _now;
END
$value$
