-- Find the rows of users the records name. Each try looks for what is not found yet.
-- Several rows for one name count as none.
DO $look_up$
BEGIN
    INSERT INTO lead_import_found (field, value, name)
    SELECT 'assigned_agent', raw, coalesce(CAST('{}' AS jsonb) ->> raw, raw)
    FROM (
        SELECT DISTINCT assigned_agent AS raw FROM lead_import_arrived WHERE assigned_agent IS NOT NULL
        UNION
        SELECT 'desk'
    ) AS named;

    UPDATE lead_import_found AS f
    SET id = one.id
    FROM (
        SELECT f.value, min(CAST(t.id AS text)) AS id
        FROM lead_import_found AS f
        JOIN users AS t
            ON CAST(t.username AS text) = f.name
        WHERE f.field = 'assigned_agent' AND f.id IS NULL
        GROUP BY f.value
        HAVING count(*) = 1
    ) AS one
    WHERE f.field = 'assigned_agent' AND f.value = one.value;

    UPDATE lead_import_found AS f
    SET id = one.id
    FROM (
        SELECT f.value, min(CAST(t.id AS text)) AS id
        FROM lead_import_found AS f
        JOIN users AS t
            ON CAST(t.email AS text) = f.name
        WHERE f.field = 'assigned_agent' AND f.id IS NULL
        GROUP BY f.value
        HAVING count(*) = 1
    ) AS one
    WHERE f.field = 'assigned_agent' AND f.value = one.value;

    UPDATE lead_import_found AS f
    SET id = one.id
    FROM (
        SELECT f.value, min(CAST(t.id AS text)) AS id
        FROM lead_import_found AS f
        JOIN users AS t
            ON lower(CAST(t.username AS text)) = lower(f.name)
        WHERE f.field = 'assigned_agent' AND f.id IS NULL
        GROUP BY f.value
        HAVING count(*) = 1
    ) AS one
    WHERE f.field = 'assigned_agent' AND f.value = one.value;

    UPDATE lead_import_found AS f
    SET id = one.id
    FROM (
        SELECT f.value, min(CAST(t.id AS text)) AS id
        FROM lead_import_found AS f
        JOIN users AS t
            ON lower(CAST(t.email AS text)) = lower(f.name)
        WHERE f.field = 'assigned_agent' AND f.id IS NULL
        GROUP BY f.value
        HAVING count(*) = 1
    ) AS one
    WHERE f.field = 'assigned_agent' AND f.value = one.value;

    UPDATE lead_import_found
    SET id = (
        SELECT id FROM lead_import_found
        WHERE field = 'assigned_agent' AND value = 'desk'
    )
    WHERE field = 'assigned_agent' AND id IS NULL;

    INSERT INTO lead_import_rejected (record, field, reason)
    SELECT a.record, 'assigned_agent', 'names nobody in users, or more than one: try names= or otherwise='
    FROM lead_import_arrived AS a
    JOIN lead_import_found AS f ON f.field = 'assigned_agent' AND f.value = a.assigned_agent
    WHERE f.id IS NULL;
END
$look_up$
