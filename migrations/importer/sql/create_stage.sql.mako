-- Make the temporary tables an import works with.

-- The whole export, before the first batch. NULL is a blank.
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
);
% if table.converted:
CREATE TEMPORARY TABLE lead_import_stage (
    LIKE lead_import_arrived,
% for column in table.converted:
    ${column.written} ${column.found.type},
% endfor
    PRIMARY KEY (record)
);
% endif

-- What is wrong with records: positions, names and reasons, never a record's value.
CREATE TEMPORARY TABLE lead_import_rejected (
    record integer NOT NULL,
    field text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX lead_import_rejected_record ON pg_temp.lead_import_rejected (record);

-- Records of one phone, with the last of them.
CREATE TEMPORARY TABLE lead_import_repeats (
    record integer NOT NULL,
    last_record integer NOT NULL
);
% if table.lookups:

-- What the records name in other tables, and the row found by it. NULL if none is.
CREATE TEMPORARY TABLE lead_import_found (
    field text NOT NULL,
    value text NOT NULL,
    name text NOT NULL,
    id text,
    PRIMARY KEY (field, value)
);
% endif

-- The leads a batch has found: the lead as seen, whether the record changes it, and how many leads
-- have its phone.
CREATE TEMPORARY TABLE lead_import_place (
    record integer NOT NULL,
    lead_id ${table.id_type} NOT NULL,
    seen tid NOT NULL,
    differs boolean NOT NULL,
    leads bigint NOT NULL
) ON COMMIT DELETE ROWS
