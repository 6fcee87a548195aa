-- What an import that goes on has rejected already.
INSERT INTO pg_temp.lead_import_rejects SELECT * FROM public.lead_import_rejects
