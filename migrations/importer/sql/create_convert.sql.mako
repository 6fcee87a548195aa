<%namespace name="shared" file="shared.mako"/>\
<%
    fields = {column.field.name: [] for column in table.converted}
    for column in table.converted:
        fields[column.field.name].append(column)
%>\
<%
    def told(columns):
        return ", ".join(f"{column.bare} ({column.found.type})" for column in columns)
%>\
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
    ${shared.exception_for_a_row("    ")}
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
% for field, columns in fields.items():
        BEGIN
            UPDATE lead_import_stage AS s
            SET ${(",\n                ").join(f"{column.written} = {column.conversion}" for column in columns)}
            WHERE s.record = _record;
        ${shared.exception_for_a_row("        ")}
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, ${literal(field)}, ${literal(f"does not fit {told(columns)}")});
        END;
% endfor
    END LOOP;
END
$convert$
