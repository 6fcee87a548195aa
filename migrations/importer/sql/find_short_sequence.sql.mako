<%namespace name="shared" file="shared.mako"/>\
-- Say if the sequence of the ids ends before each new lead has one.
SELECT format(
    '%s: the sequence %s has numbers for %s of %s new leads: ALTER SEQUENCE %s NO MAXVALUE, or a '
    'wider type',
    ${literal(f"{table.leads.table}.{table.leads.id}")},
    ending.name,
    ending.numbers,
    new.leads,
    ending.name)
FROM (
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
    WHERE found.name = pg_get_serial_sequence(
            ${literal(unescaped(table.source))}, ${literal(table.leads.id)})
        AND found.numbers < (SELECT count(*) FROM lead_import_stage)
) AS ending
-- Look for the records' leads only then.
CROSS JOIN LATERAL (
    SELECT count(*) AS leads
    ${shared.records_with_leads()}
    WHERE s.record >= :start AND l.${table.id} IS NULL AND ending.name IS NOT NULL
) AS new
WHERE ending.numbers < new.leads
