-- Versions of a lead's row that a revert has made, and the versions that they are the same as: nobody
-- but imports has written the lead between the two.
CREATE TEMPORARY TABLE lead_revert_same (
    lead_id text NOT NULL,
    version bigint NOT NULL,
    was bigint NOT NULL,
    PRIMARY KEY (lead_id, version, was)
)
