-- Say if the sequence of the ids ends before each new lead has one.
SELECT format(
    '%s: the sequence %s has numbers for %s of %s new leads: ALTER SEQUENCE %s NO MAXVALUE, or a '
    'wider type',
    'leads.id',
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
            'leads', 'id')
        AND found.numbers < (SELECT count(*) FROM lead_import_stage)
) AS ending
-- Look for the records' leads only then.
CROSS JOIN LATERAL (
    SELECT count(*) AS leads
    FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                SELECT l.*
                FROM (
                    SELECT l.*
                    FROM leads AS l
                    WHERE lead_phone_key_v1(CAST(l.phone AS text)) = s.phone_key
                        AND (true)
                    OFFSET 0
                ) AS l
                ORDER BY l.created_at NULLS LAST, l.id
                LIMIT 1
            ) AS l ON true
    WHERE s.record >= :start AND l.id IS NULL AND ending.name IS NOT NULL
) AS new
WHERE ending.numbers < new.leads
