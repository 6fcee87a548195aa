-- Make the functions by which a batch proves what it has written.

-- The server's counters of this session's own writes, and the tables it holds alone. The counters
-- leave out the site's traffic, but count a trigger's writes. They are those of
-- pg_stat_xact_user_tables, without its joins: a CRM may have thousands of tables. TRUNCATE and
-- ALTER TABLE move none, but hold a table alone until the end of the transaction.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_look_at_writes(
    OUT _written jsonb, OUT _held_alone oid[]
)
LANGUAGE plpgsql
AS $look$
BEGIN
    SELECT
        coalesce(jsonb_object_agg(relid::text, ARRAY[inserted, updated, deleted]), '{}'),
        ARRAY(
            SELECT relation
            FROM pg_catalog.pg_locks
            WHERE pid = pg_backend_pid() AND locktype = 'relation'
                AND mode = 'AccessExclusiveLock'
        )
    INTO _written, _held_alone
    FROM (
        SELECT
            oid AS relid,
            pg_stat_get_xact_tuples_inserted(oid) AS inserted,
            pg_stat_get_xact_tuples_updated(oid) AS updated,
            pg_stat_get_xact_tuples_deleted(oid) AS deleted
        FROM pg_catalog.pg_class
        WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND relnamespace NOT IN (
            'pg_catalog'::regnamespace, 'information_schema'::regnamespace
        )
    ) AS w
    WHERE inserted + updated + deleted > 0;
END
$look$;

-- Raise an error unless leads and the ledger alone were written since. _inserted, _updated,
-- _deleted: rows of leads. NULL is any number.
CREATE OR REPLACE FUNCTION pg_temp.lead_import_prove_writes(
    _leads regclass, _inserted bigint, _updated bigint, _deleted bigint,
    _written_before jsonb, _held_before oid[]
) RETURNS void
LANGUAGE plpgsql
AS $prove$
DECLARE
    _wrong text;
BEGIN
    SELECT string_agg(told, ', ')
    INTO _wrong
    FROM pg_temp.lead_import_look_at_writes() AS now
    CROSS JOIN LATERAL (
        SELECT
            format('%s (%s inserted, %s updated, %s deleted)',
                relid::regclass, inserted, updated, deleted) AS told
        FROM (
            SELECT
                CAST(relid AS oid) AS relid,
                CAST(rows ->> 0 AS bigint) - coalesce(CAST(was ->> 0 AS bigint), 0) AS inserted,
                CAST(rows ->> 1 AS bigint) - coalesce(CAST(was ->> 1 AS bigint), 0) AS updated,
                CAST(rows ->> 2 AS bigint) - coalesce(CAST(was ->> 2 AS bigint), 0) AS deleted
            FROM jsonb_each(now._written) AS t (relid, rows)
            CROSS JOIN LATERAL (SELECT _written_before -> t.relid AS was) AS b
        ) AS written
        WHERE NOT CASE
            WHEN relid = _leads THEN (inserted, updated, deleted) = (
                coalesce(_inserted, inserted),
                coalesce(_updated, updated),
                coalesce(_deleted, deleted)
            )
            WHEN relid IN (
                'lead_imports'::regclass,
                'lead_import_batches'::regclass,
                'lead_before_images'::regclass,
                'lead_import_rejects'::regclass
            ) THEN deleted = 0
            ELSE inserted + updated + deleted = 0
        END
        UNION ALL
        SELECT format('%s (emptied or altered)', held.relation::regclass)
        FROM unnest(now._held_alone) AS held (relation)
        JOIN pg_catalog.pg_class AS c
            ON c.oid = held.relation AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        WHERE held.relation <> ALL (_held_before)
    ) AS wrong;
    IF _wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the import would have written %', _wrong USING ERRCODE = 'LI001';
    END IF;
END
$prove$
