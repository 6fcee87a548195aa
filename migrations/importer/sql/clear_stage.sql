DELETE FROM lead_import_stage;
DELETE FROM lead_import_rejected;
DELETE FROM lead_import_repeats;
DELETE FROM lead_import_found
