-- Updated leads as they will be, each with its record. ours: imports had written it before, and
-- nobody has since. kept: something stays unlike it was before the import.
CREATE TEMPORARY TABLE lead_revert_restore (
    _lead_id uuid PRIMARY KEY,
    first_name text,
    last_name text,
    phone_number character varying(20),
    email citext,
    stage stage,
    owner bigint,
    bill numeric(10,2),
    changed_on timestamp without time zone,
    _record bigint NOT NULL,
    _ours boolean NOT NULL,
    _kept boolean NOT NULL
) ON COMMIT DELETE ROWS
