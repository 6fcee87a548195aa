-- They depend on the phone key's function, and a downgrade may drop it next.
DROP TABLE IF EXISTS
    pg_temp.lead_import_arrived,
    pg_temp.lead_import_stage,
    pg_temp.lead_import_rejected,
    pg_temp.lead_import_repeats,
    pg_temp.lead_import_place,
    pg_temp.lead_import_found
