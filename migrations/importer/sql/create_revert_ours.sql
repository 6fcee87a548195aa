-- The transactions that have written leads for imports and for their reverts.
CREATE TEMPORARY TABLE lead_revert_ours (version bigint PRIMARY KEY)
