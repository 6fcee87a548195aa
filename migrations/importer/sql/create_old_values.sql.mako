-- Return a before-image as the columns' types of today write it. What does not fit is NULL.
CREATE OR REPLACE FUNCTION pg_temp.lead_old_values(_old text[]) RETURNS text[]
LANGUAGE plpgsql AS $values$
BEGIN
% for column in table.compared:
% if column.restored_as:
    BEGIN
        DECLARE
            -- Not CAST: it cuts off in silence what is too long.
            _value ${column.restored_as} := _old[${column.position}];
        BEGIN
            _old[${column.position}] := _value;
        END;
    ${part("exception_for_a_row", 4)}
        _old[${column.position}] := NULL;
    END;
% endif
% endfor
    RETURN _old;
END
$values$
