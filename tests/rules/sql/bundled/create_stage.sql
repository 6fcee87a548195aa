-- Hold the whole export, before the first batch. NULL is a blank.
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
)
