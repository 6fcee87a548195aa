-- Find the sequence of a column, if it ends before each staged record has a number.
SELECT found.name, found.numbers
FROM (
    SELECT
        format('%I.%I', schemaname, sequencename) AS name,
        div(
            CAST(max_value AS numeric) - coalesce(last_value, start_value - increment_by),
            increment_by
        ) AS numbers
    FROM pg_catalog.pg_sequences
    WHERE increment_by > 0 AND NOT cycle
) AS found
WHERE found.name = (SELECT pg_get_serial_sequence(:name, :id))
    AND found.numbers < (SELECT count(*) FROM lead_import_stage)
