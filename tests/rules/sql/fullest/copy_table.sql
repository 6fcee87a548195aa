-- Make a temporary table of the same name as one of the ledger. The server finds it first.
CREATE TEMPORARY TABLE lead_imports (LIKE public.lead_imports INCLUDING ALL)
