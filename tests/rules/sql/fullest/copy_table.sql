-- A table of the ledger as a temporary one of the same name, which is found before it.
CREATE TEMPORARY TABLE lead_imports (LIKE public.lead_imports INCLUDING ALL)
