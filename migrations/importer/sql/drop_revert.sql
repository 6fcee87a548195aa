DROP TABLE IF EXISTS
    pg_temp.lead_revert_made,
    pg_temp.lead_revert_restore,
    pg_temp.lead_revert_remove
