-- Find the sequence of a column, if its next number is taken already in the table.
SELECT
    pg_get_serial_sequence(:name, :id) AS sequence,
    (SELECT max(${column}) FROM ${table}) AS largest,
    -- The catalog does not say where one begins that has given no number yet.
    s.last_value IS NULL
        AND has_sequence_privilege(pg_get_serial_sequence(:name, :id), 'SELECT') AS is_unused
FROM pg_catalog.pg_sequences AS s
WHERE format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence(:name, :id)
    -- A role without the right to ask is told "none given".
    AND has_sequence_privilege(pg_get_serial_sequence(:name, :id), 'SELECT, USAGE')
    AND coalesce(s.last_value, 0) < (SELECT max(${column}) FROM ${table})
