DROP TABLE IF EXISTS
    pg_temp.lead_verify_created,
    pg_temp.lead_verify_later,
    pg_temp.lead_verify_found
