## Parts of several functions.

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

## The oldest lead of a record's phone, in place of a row. OFFSET 0 keeps the search apart from the
## order. Without it, if the server takes a phone for common, as in a table never analysed, it walks
## through an index on the order's columns.
<%def name="lead_of_phone()">\
SELECT l.*
                FROM (
                    SELECT l.*
                    FROM ${table.name} AS l
                    WHERE ${table.phone_key} = s.phone_key
                        AND (${table.only})
                    OFFSET 0
                ) AS l
                ORDER BY ${table.oldest_first}
                LIMIT 1\
</%def>

<%def name="records_with_leads()">\
FROM lead_import_stage AS s
            LEFT JOIN LATERAL (
                ${lead_of_phone()}
            ) AS l ON true\
</%def>

## What the server computes of other columns.
<%def name="computed(names)">\
${", ".join(f"{sql} AS {name}" for name, sql in foreseen(table).computed(names))}\
</%def>

## What a unique index or an exclusion constraint would compare of each record's lead, if it changes.
## Whoever wants the values of another lead meets that lead in the table.
<%def name="keyed(unique, fails, changes)">\
would_be AS ${"MATERIALIZED " if fails else ""}(
    SELECT
        s.record AS _record,
        s.phone_key AS _phone_key,
        l.${table.id} AS _lead_id,
        ${(",\n        ").join(f"{value} AS {name}" for name, value in foreseen(table).would_be(unique.columns))}
    ${records_with_leads()}
    WHERE (l.${table.id} IS NULL OR ${changes})
% if fails:
    -- If it cannot be computed for a record, this is listed already. MATERIALIZED, or from Postgres
    -- 19 on it is computed all the same, and fails.
        AND s.record NOT IN (
            SELECT record FROM lead_import_rejected WHERE reason IN (${", ".join(map(literal, fails))})
        )
% endif
),
keyed AS (
    SELECT
        _record,
        _phone_key,
        _lead_id,
        ${(",\n        ").join(f"{escaped(sql)} AS k{n}" for n, sql in enumerate(unique.keys, start=1))}
% if foreseen(table).computed(unique.columns):
    FROM (SELECT *, ${computed(unique.columns)} FROM would_be) AS w
% else:
    FROM would_be
% endif
    WHERE ${escaped(unique.predicate)}
)\
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
