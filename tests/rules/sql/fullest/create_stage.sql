-- Make the temporary tables an import works with.

-- The whole export, before the first batch. NULL is a blank.
-- It arrives as texts in a table of its own, and moves on once it is converted. An UPDATE would take
-- longer: for each row, Postgres 18 prepares generated columns anew that do not change.
CREATE TEMPORARY TABLE lead_import_arrived (
    record integer,
    lead_number text,
    full_name text,
    phone text,
    email text,
    status text,
    address1 text,
    postal_code text,
    notes text,
    assigned_agent text,
    bill text,
    written_full_name_1 text,
    written_full_name_2 text,
    phone_key text GENERATED ALWAYS AS (lead_phone_key_v1(phone)) STORED,
    created_at timestamptz NOT NULL
);
CREATE TEMPORARY TABLE lead_import_stage (
    LIKE lead_import_arrived,
    written_phone character varying(20),
    written_status stage,
    written_assigned_agent bigint,
    written_bill numeric(10,2),
    PRIMARY KEY (record)
);

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

-- What the records name in other tables, and the row found by it. NULL if none is.
CREATE TEMPORARY TABLE lead_import_found (
    field text NOT NULL,
    value text NOT NULL,
    name text NOT NULL,
    id text,
    PRIMARY KEY (field, value)
);

-- The leads a batch has found: the lead as seen, whether the record changes it, and how many leads
-- have its phone.
CREATE TEMPORARY TABLE lead_import_place (
    record integer NOT NULL,
    lead_id uuid NOT NULL,
    seen tid NOT NULL,
    differs boolean NOT NULL,
    leads bigint NOT NULL
) ON COMMIT DELETE ROWS
