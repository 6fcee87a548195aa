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
            ${(",\n            ").join(column.conversion for column in table.converted)}
        FROM lead_import_arrived AS a
        WHERE a.ctid >= _from AND a.ctid < _to;
        RETURN;
    ${part("exception_for_a_row", 4)}
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
% for column in table.converted:
<% told = f"does not fit {column.bare} ({column.found.type})" %>\
        BEGIN
            UPDATE lead_import_stage AS s
            SET ${column.written} = ${column.conversion}
            WHERE s.record = _record;
        ${part("exception_for_a_row", 8)}
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, ${literal(column.field.name)}, ${literal(told)});
        END;
% endfor
    END LOOP;
END
$convert$
