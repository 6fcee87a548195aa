-- Updated leads as they will be, each with its record. ours: imports had written it before, and
-- nobody has since. kept: something stays unlike it was before the import.
CREATE TEMPORARY TABLE lead_revert_restore (
    _lead_id bigint PRIMARY KEY,
    lead_number text,
    full_name text,
    phone text,
    email text,
    status text,
    address1 text,
    postal_code text,
    notes text,
    assigned_agent text,
    updated_at timestamp with time zone,
    _record bigint NOT NULL,
    _ours boolean NOT NULL,
    _kept boolean NOT NULL
) ON COMMIT DELETE ROWS
