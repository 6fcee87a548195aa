-- Hold the whole export, before the first batch. NULL is a blank.
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
)
;
CREATE TEMPORARY TABLE lead_import_stage (
    LIKE lead_import_arrived,
    written_phone character varying(20),
    written_status stage,
    written_assigned_agent bigint,
    written_bill numeric(10,2),
    PRIMARY KEY (record)
)
