-- Show the leads these imports have updated. If several update one lead, show what the first of
-- them found.
WITH done AS (
    SELECT *
    FROM unnest(CAST(:imports AS bigint[]), CAST(:starts AS bigint[])) AS done (import_id, start)
),
created AS (
    SELECT unnest(b.created_ids) AS lead_id
    FROM lead_import_batches AS b
    JOIN done ON b.import_id = done.import_id AND b.first_record >= done.start
),
first AS (
    SELECT DISTINCT ON (i.lead_id) i.import_id, i.record, i.lead_id, i.old_values
    FROM lead_before_images AS i
    JOIN done ON i.import_id = done.import_id AND i.record >= done.start
    WHERE NOT EXISTS (SELECT FROM created WHERE created.lead_id = i.lead_id)
    ORDER BY i.lead_id, i.import_id, i.record
)
SELECT
    to_json(l.code) AS id,
    f.record AS position,
    json_build_object(
            'full_name', left(concat_ws(' ',
                    nullif(f.old_values[1], ''),
                    nullif(f.old_values[2], '')), 401),
            'phone', left(f.old_values[3], 401),
            'email', left(f.old_values[4], 401),
            'status', left(f.old_values[5], 401),
            'assigned_agent', left(f.old_values[6], 401),
            'bill', left(f.old_values[7], 401)
        ) AS old,
    json_build_object(
            'full_name', left(concat_ws(' ',
                    nullif(CAST(l.first_name AS text), ''),
                    nullif(CAST(l.last_name AS text), '')), 401),
            'phone', left(CAST(l.phone_number AS text), 401),
            'email', left(CAST(l.email AS text), 401),
            'status', left(CAST(l.stage AS text), 401),
            'assigned_agent', left(CAST(l.owner AS text), 401),
            'bill', left(CAST(l.bill AS text), 401)
        ) AS new,
    ARRAY(
        SELECT name
        FROM (
            VALUES
                (
                    'full_name',
                    concat_ws(' ',
                    nullif(f.old_values[1], ''),
                    nullif(f.old_values[2], '')),
                    concat_ws(' ',
                    nullif(CAST(l.first_name AS text), ''),
                    nullif(CAST(l.last_name AS text), ''))
                ),
                (
                    'phone',
                    f.old_values[3],
                    CAST(l.phone_number AS text)
                ),
                (
                    'email',
                    f.old_values[4],
                    CAST(l.email AS text)
                ),
                (
                    'status',
                    f.old_values[5],
                    CAST(l.stage AS text)
                ),
                (
                    'assigned_agent',
                    f.old_values[6],
                    CAST(l.owner AS text)
                ),
                (
                    'bill',
                    f.old_values[7],
                    CAST(l.bill AS text)
                )
        ) AS told (name, old, new)
        WHERE old IS DISTINCT FROM new
    ) AS fields,
    count(*) OVER () AS total
FROM first AS f
JOIN sales.customers AS l ON l.code = CAST(f.lead_id AS uuid)
ORDER BY f.import_id, f.record
LIMIT 10000
