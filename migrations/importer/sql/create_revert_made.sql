-- Created leads the import has not updated since, if they are to be removed, each with the
-- transaction of its INSERT.
CREATE TEMPORARY TABLE lead_revert_made (
    lead_id text PRIMARY KEY,
    record integer NOT NULL,
    written_by bigint NOT NULL
);
CREATE INDEX lead_revert_made_record ON pg_temp.lead_revert_made (record)
