-- The function of the phone's key: a preview makes a temporary one where there is none.
SELECT CASE
    WHEN to_regprocedure('pg_temp.' || :function || '(text)') IS NULL THEN :function
    ELSE 'pg_temp.' || :function
END
