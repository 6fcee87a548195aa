-- Hold the whole export, before the first batch. NULL is a blank.
% if table.converted:
-- It arrives as texts in a table of its own, and moves on once it is converted. An UPDATE would take
-- longer: for each row, Postgres 18 prepares generated columns anew that do not change.
% endif
CREATE TEMPORARY TABLE ${table.arrivals} (
    record integer${"" if table.converted else " PRIMARY KEY"},
% for field in table.texts:
    ${quoted(field.name)} text,
% endfor
% for column in table.parts:
    ${column.written} text,
% endfor
% for column in table.derived:
    ${column.written} text GENERATED ALWAYS AS (${column.conversion}) STORED,
% endfor
    phone_key text GENERATED ALWAYS AS (${table.key}(phone)) STORED,
    created_at timestamptz NOT NULL
)
% if table.converted:
;
CREATE TEMPORARY TABLE lead_import_stage (
    LIKE lead_import_arrived,
% for column in table.converted:
    ${column.written} ${column.found.type},
% endfor
    PRIMARY KEY (record)
)
% endif
