-- Versions of a lead's row made by a revert, each with the earlier version it equals: between the
-- two, only imports have written the lead.
CREATE TEMPORARY TABLE lead_revert_same (
    lead_id text NOT NULL,
    version bigint NOT NULL,
    was bigint NOT NULL,
    PRIMARY KEY (lead_id, version, was)
)
