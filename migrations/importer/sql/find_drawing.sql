-- Find the functions that may draw from a sequence: nextval, and volatile ones of the owner's.
SELECT DISTINCT p.proname::text
FROM pg_catalog.pg_proc AS p
WHERE p.proname = ANY (CAST(:called AS text[]))
    AND (p.proname = 'nextval' OR p.provolatile = 'v' AND p.pronamespace <> 'pg_catalog'::regnamespace)
