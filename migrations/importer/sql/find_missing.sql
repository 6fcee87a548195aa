-- List what an import needs and the database lacks.
SELECT 'the table ' || needed
FROM unnest(CAST(:tables AS text[])) AS needed
WHERE to_regclass(needed) IS NULL
UNION ALL
SELECT 'the function ' || :function
WHERE to_regprocedure(:function || '(text)') IS NULL
