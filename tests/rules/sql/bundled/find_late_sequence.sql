-- The sequence of the ids, if it would give one that is there: rows were added with ids by hand.
SELECT
    pg_get_serial_sequence('sales.customers', 'id') AS sequence,
    (SELECT max(id) FROM sales.customers) AS largest
FROM pg_catalog.pg_sequences AS s
WHERE format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence('sales.customers', 'id')
    -- Who may not ask it is told that it has given none.
    AND has_sequence_privilege(pg_get_serial_sequence('sales.customers', 'id'), 'SELECT, USAGE')
    AND coalesce(s.last_value, 0) < (SELECT max(id) FROM sales.customers)
