-- Leads that the import created and has not updated since, where they are to be removed, with the
-- transaction that added each.
CREATE TEMPORARY TABLE lead_revert_made (
    lead_id text PRIMARY KEY,
    record integer NOT NULL,
    written_by bigint NOT NULL
);
CREATE INDEX lead_revert_made_record ON pg_temp.lead_revert_made (record)
