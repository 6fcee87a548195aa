-- Find the phone key's function. Without one, a preview makes a temporary one.
SELECT CASE
    WHEN to_regprocedure('pg_temp.' || :function || '(text)') IS NULL THEN :function
    ELSE 'pg_temp.' || :function
END
