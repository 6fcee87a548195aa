-- An import that has stopped wrote nothing of the records behind its checkpoint.
DELETE FROM lead_import_stage
WHERE record >= (SELECT next_record FROM lead_imports WHERE id = :import)
