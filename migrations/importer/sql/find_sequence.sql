-- Find the sequence of a column, with the last number it has given, and the next. A role without the
-- right to ask is told "none", so it finds no sequence.
SELECT
    format('%I.%I', schemaname, sequencename) AS name,
    last_value,
    coalesce(last_value + increment_by, 1) AS next_value,
    has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT') AS may_look
FROM pg_catalog.pg_sequences
WHERE format('%I.%I', schemaname, sequencename) = (SELECT pg_get_serial_sequence(:name, :id))
    AND has_sequence_privilege((SELECT pg_get_serial_sequence(:name, :id)), 'SELECT, USAGE')
