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
<%def name="insert_converted(which, indent='')">\
${indent}        INSERT INTO lead_import_stage
${indent}        SELECT
${indent}            a.*,
${indent}            ${(f",\n{indent}            ").join(column.conversion for column in table.converted)}
${indent}        FROM lead_import_arrived AS a
${indent}        WHERE ${which};\
</%def>\
<%def name="assignments(columns)">\
${(",\n                ").join(f"{column.written} = {column.conversion}" for column in columns)}\
</%def>\
-- Convert the records' texts into the values to write. Halve whatever fails down to one field of
-- one record, catch the error and list it: no value reaches the server's log. Halve by the arrived
-- table's blocks: it has no index, and a preview, which only reads, could make none.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_convert(_first bigint, _end bigint) RETURNS void
LANGUAGE plpgsql AS $convert$
#variable_conflict use_column
DECLARE
    _middle bigint := (_first + _end) / 2;
    _from tid := format('(%s,0)', _first);
    _to tid := format('(%s,0)', _end);
    _row tid;
    _record integer;
BEGIN
    BEGIN
${insert_converted("a.ctid >= _from AND a.ctid < _to")}
        RETURN;
    ${shared.exception_for_a_row("    ")}
    END;
    IF _end - _first > 1 THEN
        PERFORM pg_temp.lead_import_convert(_first, _middle);
        PERFORM pg_temp.lead_import_convert(_middle, _end);
        RETURN;
    END IF;
    FOR _row, _record IN
        SELECT ctid, record FROM lead_import_arrived WHERE ctid >= _from AND ctid < _to
    LOOP
        BEGIN
${insert_converted("a.ctid = _row", "    ")}
            CONTINUE;
        ${shared.exception_for_a_row("        ")}
        END;
        INSERT INTO lead_import_stage
        SELECT * FROM lead_import_arrived WHERE ctid = _row;
% for field, columns in fields.items():
        BEGIN
            UPDATE lead_import_stage AS s
            SET ${assignments(columns)}
            WHERE s.record = _record;
        ${shared.exception_for_a_row("        ")}
            INSERT INTO lead_import_rejected (record, field, reason)
            VALUES (_record, ${literal(field)}, ${literal(f"does not fit {told(columns)}")});
        END;
% endfor
    END LOOP;
END
$convert$
