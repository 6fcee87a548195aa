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
    to_json(l.id) AS id,
    f.record AS position,
    json_build_object(
            'lead_number', left(f.old_values[1], 401),
            'full_name', left(f.old_values[2], 401),
            'phone', left(f.old_values[3], 401),
            'email', left(f.old_values[4], 401),
            'status', left(f.old_values[5], 401),
            'address1', left(f.old_values[6], 401),
            'postal_code', left(f.old_values[7], 401),
            'notes', left(f.old_values[8], 401),
            'assigned_agent', left(f.old_values[9], 401)
        ) AS old,
    json_build_object(
            'lead_number', left(CAST(l.lead_number AS text), 401),
            'full_name', left(CAST(l.full_name AS text), 401),
            'phone', left(CAST(l.phone AS text), 401),
            'email', left(CAST(l.email AS text), 401),
            'status', left(CAST(l.status AS text), 401),
            'address1', left(CAST(l.address1 AS text), 401),
            'postal_code', left(CAST(l.postal_code AS text), 401),
            'notes', left(CAST(l.notes AS text), 401),
            'assigned_agent', left(CAST(l.assigned_agent AS text), 401)
        ) AS new,
    ARRAY(
        SELECT name
        FROM (
            VALUES
                (
                    'lead_number',
                    f.old_values[1],
                    CAST(l.lead_number AS text)
                ),
                (
                    'full_name',
                    f.old_values[2],
                    CAST(l.full_name AS text)
                ),
                (
                    'phone',
                    f.old_values[3],
                    CAST(l.phone AS text)
                ),
                (
                    'email',
                    f.old_values[4],
                    CAST(l.email AS text)
                ),
                (
                    'status',
                    f.old_values[5],
                    CAST(l.status AS text)
                ),
                (
                    'address1',
                    f.old_values[6],
                    CAST(l.address1 AS text)
                ),
                (
                    'postal_code',
                    f.old_values[7],
                    CAST(l.postal_code AS text)
                ),
                (
                    'notes',
                    f.old_values[8],
                    CAST(l.notes AS text)
                ),
                (
                    'assigned_agent',
                    f.old_values[9],
                    CAST(l.assigned_agent AS text)
                )
        ) AS told (name, old, new)
        WHERE old IS DISTINCT FROM new
    ) AS fields,
    count(*) OVER () AS total
FROM first AS f
JOIN leads AS l ON l.id = CAST(f.lead_id AS bigint)
ORDER BY f.import_id, f.record
LIMIT 10000
