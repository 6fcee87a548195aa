-- The transactions of imports and their reverts, if they wrote leads.
CREATE TEMPORARY TABLE lead_revert_ours (version bigint PRIMARY KEY)
