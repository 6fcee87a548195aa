-- The sequence of the ids, if it would give one that is there: rows were added with ids by hand.
SELECT
    pg_get_serial_sequence(${name}, ${id}) AS sequence,
    (SELECT max(${column}) FROM ${table}) AS largest
FROM pg_catalog.pg_sequences AS s
WHERE format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence(${name}, ${id})
    -- Who may not ask it is told that it has given none.
    AND has_sequence_privilege(pg_get_serial_sequence(${name}, ${id}), 'SELECT, USAGE')
    AND coalesce(s.last_value, 0) < (SELECT max(${column}) FROM ${table})
