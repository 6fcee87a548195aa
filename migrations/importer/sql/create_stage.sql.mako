-- Hold the whole export, before the first batch. NULL is a blank.
CREATE TEMPORARY TABLE ${table.arrivals} (
    record integer PRIMARY KEY,
% for field in table.texts:
    ${quoted(field.name)} text,
% endfor
    created_at timestamptz NOT NULL,
    phone_key text GENERATED ALWAYS AS (${table.key}(phone)) STORED\
% for column in table.derived:
,
    ${column.written} text GENERATED ALWAYS AS (${column.conversion}) STORED\
% endfor

)\
% if table.converted:
;
CREATE TEMPORARY TABLE lead_import_stage (
    LIKE lead_import_arrived,
% for column in table.converted:
    ${column.written} ${column.found.type},
% endfor
    PRIMARY KEY (record)
)\
% endif

