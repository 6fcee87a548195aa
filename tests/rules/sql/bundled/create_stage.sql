-- Make the temporary tables an import works with.

-- The whole export, before the first batch. NULL is a blank.
CREATE TEMPORARY TABLE lead_import_stage (
    record integer PRIMARY KEY,
    lead_number text,
    full_name text,
    phone text,
    email text,
    status text,
    address1 text,
    postal_code text,
    notes text,
    assigned_agent text,
    phone_key text GENERATED ALWAYS AS (lead_phone_key_v1(phone)) STORED,
    created_at timestamptz NOT NULL
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

-- The leads a batch has found: the lead as seen, whether the record changes it, and how many leads
-- have its phone.
CREATE TEMPORARY TABLE lead_import_place (
    record integer NOT NULL,
    lead_id bigint NOT NULL,
    seen tid NOT NULL,
    differs boolean NOT NULL,
    leads bigint NOT NULL
) ON COMMIT DELETE ROWS
