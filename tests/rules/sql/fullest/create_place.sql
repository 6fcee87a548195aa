-- The leads a batch has found: the lead as seen, whether the record changes it, and how many leads
-- have its phone.
CREATE TEMPORARY TABLE lead_import_place (
    record integer NOT NULL,
    lead_id uuid NOT NULL,
    seen tid NOT NULL,
    differs boolean NOT NULL,
    leads bigint NOT NULL
) ON COMMIT DELETE ROWS
