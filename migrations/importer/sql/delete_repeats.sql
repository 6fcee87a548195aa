DELETE FROM lead_import_stage AS s
USING lead_import_repeats AS r
WHERE s.record = r.record AND r.record < r.last_record
