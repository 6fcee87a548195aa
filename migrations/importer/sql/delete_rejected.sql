DELETE FROM lead_import_stage WHERE record IN (SELECT record FROM lead_import_rejected)
