-- Say if the next import would get the number of one the ledger knows, because somebody has emptied
-- or restored a part of it.
SELECT format(
    'lead_imports.id: the sequence %s is behind the ledger, because a part of it was emptied or '
    'restored: SELECT setval(''%s'', %s)', numbered.sequence, numbered.sequence, numbered.largest)
FROM (
    SELECT
        pg_get_serial_sequence('lead_imports', 'id') AS sequence,
        greatest(
            (SELECT max(id) FROM lead_imports),
            (SELECT max(import_id) FROM lead_import_batches),
            (SELECT max(import_id) FROM lead_before_images)
        ) AS largest
) AS numbered
JOIN pg_catalog.pg_sequences AS s
    ON format('%I.%I', s.schemaname, s.sequencename) = numbered.sequence
-- A role without the right to ask is told "none given".
WHERE has_sequence_privilege(numbered.sequence, 'SELECT, USAGE')
    AND coalesce(s.last_value, 0) < numbered.largest
