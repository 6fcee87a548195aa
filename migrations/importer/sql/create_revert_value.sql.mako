<%namespace name="shared" file="shared.mako"/>\
-- Return an old value in the column's type of today. If it does not fit, the lead's value stays.
CREATE OR REPLACE FUNCTION pg_temp.lead_revert_value(_old text, _now ${type})
RETURNS ${type}
LANGUAGE plpgsql AS $value$
BEGIN
    RETURN CAST(_old AS ${type});
${shared.exception_for_a_row("")}
    RETURN _now;
END
$value$
