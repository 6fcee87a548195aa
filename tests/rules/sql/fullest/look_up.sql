-- Find the rows of users the records name. Each try looks for what is not found yet.
-- Several rows for one name count as none.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_look_up_assigned_agent() RETURNS void
LANGUAGE plpgsql AS $look_up$
BEGIN
    DELETE FROM lead_import_wanted;
    INSERT INTO lead_import_wanted (value, name)
    SELECT raw, coalesce(CAST('{}' AS jsonb) ->> raw, raw)
    FROM (
        SELECT DISTINCT assigned_agent AS raw FROM lead_import_arrived WHERE assigned_agent IS NOT NULL
        UNION
        SELECT 'desk'
    ) AS named;

    INSERT INTO lead_import_found (field, value, id)
    SELECT 'assigned_agent', w.value, min(CAST(t.id AS text))
    FROM lead_import_wanted AS w
    JOIN users AS t
        ON CAST(t.username AS text) = w.name
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent')
    GROUP BY w.value
    HAVING count(*) = 1;

    INSERT INTO lead_import_found (field, value, id)
    SELECT 'assigned_agent', w.value, min(CAST(t.id AS text))
    FROM lead_import_wanted AS w
    JOIN users AS t
        ON CAST(t.email AS text) = w.name
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent')
    GROUP BY w.value
    HAVING count(*) = 1;

    INSERT INTO lead_import_found (field, value, id)
    SELECT 'assigned_agent', w.value, min(CAST(t.id AS text))
    FROM lead_import_wanted AS w
    JOIN users AS t
        ON lower(CAST(t.username AS text)) = lower(w.name)
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent')
    GROUP BY w.value
    HAVING count(*) = 1;

    INSERT INTO lead_import_found (field, value, id)
    SELECT 'assigned_agent', w.value, min(CAST(t.id AS text))
    FROM lead_import_wanted AS w
    JOIN users AS t
        ON lower(CAST(t.email AS text)) = lower(w.name)
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent')
    GROUP BY w.value
    HAVING count(*) = 1;

    INSERT INTO lead_import_found (field, value, id)
    SELECT 'assigned_agent', w.value, f.id
    FROM lead_import_wanted AS w
    JOIN lead_import_found AS f ON f.field = 'assigned_agent' AND f.value = 'desk'
    WHERE w.value NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent');

    INSERT INTO lead_import_rejected (record, field, reason)
    SELECT record, 'assigned_agent', 'names nobody in users, or more than one'
    FROM lead_import_arrived
    WHERE assigned_agent IS NOT NULL
        AND assigned_agent NOT IN (SELECT value FROM lead_import_found WHERE field = 'assigned_agent');
END
$look_up$
