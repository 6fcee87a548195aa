## Parts of functions and DO blocks: their planner, errors of a row, the proof of what was written.

<%def name="one_by_one()">\
## Force an index lookup per record. Temporary tables have no statistics, so the planner might scan
## the leads. LATERAL with LIMIT or OFFSET keeps it from beginning with them, and these settings
## remove the alternatives. (Not enable_seqscan: until Postgres 17 it blinds the planner if a
## sequential scan is the only way, as for a temporary table.)
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off\
</%def>

## Catch errors a row causes: their text may hold values and would stand in the server's log. Raise
## again what no row is to blame for: lost connections (08), transaction states (25), deadlocks and
## serialisation failures (40), the server's resources and operators (5…), missing rights (42501),
## the server's own defects (XX), and our errors (LI).
<%def name="exception_for_a_row(indent)">\
EXCEPTION WHEN OTHERS OR assert_failure THEN
${indent}    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
${indent}        RAISE;
${indent}    END IF;\
</%def>

<%def name="look_at_writes()">\
    -- step: look at writes
    -- The server's counters of this session's own writes. They leave out the site's traffic, but
    -- count a trigger's writes.
    SELECT
        coalesce(jsonb_object_agg(relid::text, ARRAY[inserted, updated, deleted]), '{}'),
        ARRAY(${locked_alone()})
    INTO _written_before, _locked_before
    FROM (${written()}) AS w
    WHERE inserted + updated + deleted > 0;\
</%def>

## What pg_stat_xact_user_tables shows, without its joins: a CRM may have thousands of tables.
<%def name="written()">\
SELECT
            oid AS relid,
            pg_stat_get_xact_tuples_inserted(oid) AS inserted,
            pg_stat_get_xact_tuples_updated(oid) AS updated,
            pg_stat_get_xact_tuples_deleted(oid) AS deleted
        FROM pg_catalog.pg_class
        WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND relnamespace NOT IN (
            'pg_catalog'::regnamespace, 'information_schema'::regnamespace
        )\
</%def>

## TRUNCATE and ALTER TABLE move no counter, but hold this lock until the end of the transaction.
<%def name="locked_alone()">\
SELECT relation FROM pg_catalog.pg_locks
            WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessExclusiveLock'\
</%def>

## leads: the condition on the numbers of inserted, updated and deleted leads.
<%def name="prove_writes(leads)">\
    -- step: prove writes
    SELECT string_agg(told, ', ')
    INTO _wrong
    FROM (
        SELECT
            format('%s (%s inserted, %s updated, %s deleted)',
                relid::regclass, inserted, updated, deleted) AS told
        FROM (
            SELECT
                relid,
                inserted - coalesce((_written_before -> relid::text ->> 0)::bigint, 0) AS inserted,
                updated - coalesce((_written_before -> relid::text ->> 1)::bigint, 0) AS updated,
                deleted - coalesce((_written_before -> relid::text ->> 2)::bigint, 0) AS deleted
            FROM (${written()}) AS w
            WHERE inserted + updated + deleted > 0
        ) AS written
        WHERE NOT CASE
            WHEN relid = ${table.regclass} THEN ${leads}
            WHEN relid IN (
                ${",\n                ".join(f"'{name}'::regclass" for name in ledger_tables)}
            ) THEN deleted = 0
            ELSE inserted + updated + deleted = 0
        END
        UNION ALL
        SELECT format('%s (emptied or altered)', locked.relation::regclass)
        FROM (${locked_alone()}) AS locked
        JOIN pg_catalog.pg_class AS c
            ON c.oid = locked.relation AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        WHERE locked.relation <> ALL (_locked_before)
    ) AS wrong;
    IF _wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the import would have written %', _wrong USING ERRCODE = 'LI001';
    END IF;\
</%def>
