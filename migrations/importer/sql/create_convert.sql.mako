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
<%def name="assignments(columns)">\
${(",\n                ").join(f"{column.written} = {column.conversion}" for column in columns)}\
</%def>\
-- Convert the records' texts into the values to write. Halve whatever fails down to one field of
-- one record, catch the error and list it: no value reaches the server's log.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_convert(_first bigint, _end bigint) RETURNS void
LANGUAGE plpgsql AS $convert$
#variable_conflict use_column
DECLARE
    _middle bigint := (_first + _end) / 2;
BEGIN
    BEGIN
        INSERT INTO lead_import_stage
        SELECT
            a.*,
            ${(",\n            ").join(column.conversion for column in table.converted)}
        FROM lead_import_arrived AS a
        WHERE a.record >= _first AND a.record < _end;
        RETURN;
    ${shared.exception_for_a_row("    ")}
    END;
    IF _end - _first > 1 THEN
        PERFORM pg_temp.lead_import_convert(_first, _middle);
        PERFORM pg_temp.lead_import_convert(_middle, _end);
        RETURN;
    END IF;
    INSERT INTO lead_import_stage
    SELECT * FROM lead_import_arrived WHERE record = _first;
% for field, columns in fields.items():
    BEGIN
        UPDATE lead_import_stage AS s
        SET ${assignments(columns)}
        WHERE s.record = _first;
    ${shared.exception_for_a_row("    ")}
        INSERT INTO lead_import_rejected (record, field, reason)
        VALUES (_first, ${literal(field)}, ${literal(f"does not fit {told(columns)}")});
    END;
% endfor
END
$convert$
