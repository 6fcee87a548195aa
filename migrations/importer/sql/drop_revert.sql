DROP TABLE IF EXISTS
    pg_temp.lead_revert_made,
    pg_temp.lead_revert_ours,
    pg_temp.lead_revert_restore,
    pg_temp.lead_revert_same,
    pg_temp.lead_revert_remove
