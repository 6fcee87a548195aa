SELECT pg_temp.lead_import_convert(0, (SELECT coalesce(max(record), -1) + 1 FROM lead_import_arrived))
