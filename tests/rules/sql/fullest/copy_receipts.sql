-- Copy the receipts: an import goes on from them.
INSERT INTO pg_temp.lead_imports SELECT * FROM public.lead_imports;
SELECT setval(pg_get_serial_sequence('pg_temp.lead_imports', 'id'), max(id))
FROM pg_temp.lead_imports
