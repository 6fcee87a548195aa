-- They hang on the phone key's function, which a downgrade may drop next.
DROP TABLE IF EXISTS
    pg_temp.lead_import_stage,
    pg_temp.lead_import_rejected,
    pg_temp.lead_import_repeats,
    pg_temp.lead_import_place,
    pg_temp.lead_import_found,
    pg_temp.lead_import_wanted
