CREATE OR REPLACE FUNCTION pg_temp.lead_import_revert_batch(
    _import bigint, _first bigint, _end bigint, _remove_created boolean
) RETURNS void
LANGUAGE plpgsql
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $batch$
DECLARE
    _from bigint;
    _to bigint;
    _images bigint;
    _rewritten bigint;
    _kept bigint;
    _removed bigint;
    _deleted bigint;
    _undone bigint := 0;
    _referenced bigint;
    _lead uuid;
    _name text;
    _referrer record;
    _written_before jsonb;
    _held_before oid[];
BEGIN
    -- step: look at writes
    SELECT _written, _held_alone
    INTO _written_before, _held_before
    FROM pg_temp.lead_import_look_at_writes();

    -- In a dry run no commit has emptied them.
    IF EXISTS (SELECT FROM lead_revert_restore) OR EXISTS (SELECT FROM lead_revert_remove) THEN
        TRUNCATE lead_revert_restore, lead_revert_remove;
    END IF;
    -- Show a constraint's objection to an old value at once, not at the commit.
    SET CONSTRAINTS ALL IMMEDIATE;

    -- step: move the checkpoint
    -- Compare and swap: of two processes at the same batch, only one moves on.
    UPDATE lead_imports
    SET revert_next_record = _end, remove_created = _remove_created
    WHERE id = _import AND reverted_at IS NULL AND revert_next_record = _first;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the checkpoint has moved' USING ERRCODE = 'LI003';
    END IF;

    -- Go from the last record to the first: if two of them updated one lead, revert it twice, one
    -- by one.
    SELECT records - _end, records - _first INTO _from, _to FROM lead_imports WHERE id = _import;
    IF EXISTS (
        SELECT FROM lead_before_images
        WHERE import_id = _import AND record >= _from AND record < _to
        GROUP BY lead_id
        HAVING count(*) > 1
    ) THEN
        RAISE EXCEPTION 'a lead was updated twice' USING ERRCODE = 'LI004';
    END IF;

    -- step: lock updated leads
    PERFORM l.code
    FROM lead_before_images AS i
    JOIN lead_import_stage AS s ON s.record = i.record
    JOIN sales.customers AS l ON l.code = CAST(i.lead_id AS uuid)
    WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ORDER BY l.code
    FOR NO KEY UPDATE OF l;
    GET DIAGNOSTICS _images = ROW_COUNT;

    -- step: find old values
    -- Give a lead's column its old value back if it still holds what the import wrote. People's
    -- later edits stay.
    INSERT INTO lead_revert_restore (
        _lead_id,
        first_name,
        last_name,
        phone_number,
        email,
        stage,
        owner,
        bill,
        changed_on,
        _record,
        _ours,
        _kept
    )
    SELECT
        l.code,
        CASE
            WHEN l.first_name
                IS NOT DISTINCT FROM coalesce(s.written_full_name_1, '')
            THEN coalesce(
                CAST(i._today[1] AS text),
                CASE WHEN i.old_values[1] IS NOT NULL THEN l.first_name END
            )
            ELSE l.first_name
        END,
        CASE
            WHEN l.last_name
                IS NOT DISTINCT FROM coalesce(s.written_full_name_2, '')
            THEN coalesce(
                CAST(i._today[2] AS text),
                CASE WHEN i.old_values[2] IS NOT NULL THEN l.last_name END
            )
            ELSE l.last_name
        END,
        CASE
            WHEN (s.phone IS NULL OR s.written_phone IS NOT NULL) AND l.phone_number
                IS NOT DISTINCT FROM coalesce(s.written_phone, '')
            THEN coalesce(
                CAST(i._today[3] AS character varying(20)),
                CASE WHEN i.old_values[3] IS NOT NULL THEN l.phone_number END
            )
            ELSE l.phone_number
        END,
        CASE
            WHEN CAST(l.email AS text) COLLATE "C"
                IS NOT DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            THEN i.old_values[4]
            ELSE l.email
        END,
        CASE
            WHEN (s.status IS NULL OR s.written_status IS NOT NULL) AND l.stage
                IS NOT DISTINCT FROM coalesce(s.written_status, l.stage)
            THEN coalesce(
                CAST(i._today[5] AS stage),
                CASE WHEN i.old_values[5] IS NOT NULL THEN l.stage END
            )
            ELSE l.stage
        END,
        CASE
            WHEN (s.assigned_agent IS NULL OR s.written_assigned_agent IS NOT NULL) AND l.owner
                IS NOT DISTINCT FROM coalesce(s.written_assigned_agent, l.owner)
            THEN coalesce(
                CAST(i._today[6] AS bigint),
                CASE WHEN i.old_values[6] IS NOT NULL THEN l.owner END
            )
            ELSE l.owner
        END,
        CASE
            WHEN (s.bill IS NULL OR s.written_bill IS NOT NULL) AND l.bill
                IS NOT DISTINCT FROM s.written_bill
            THEN coalesce(
                CAST(i._today[7] AS numeric(10,2)),
                CASE WHEN i.old_values[7] IS NOT NULL THEN l.bill END
            )
            ELSE l.bill
        END,
        CASE
            WHEN l.changed_on = i.imported_at AT TIME ZONE 'UTC'
            THEN CAST(i.old_values[8] AS timestamp without time zone)
            ELSE l.changed_on
        END,
        i.record,
        EXISTS (SELECT FROM lead_revert_ours AS o WHERE o.version = i.seen_by)
            AND (
                l.xmin = CAST(CAST(i._written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.code AS text)
                        AND v.version = CAST(CAST(l.xmin AS text) AS bigint)
                        AND v.was = i._written_by
                )
            ),
        false
    FROM (
        SELECT
            i.*,
            pg_temp.lead_old_values(i.old_values) AS _today,
            (
                SELECT b.written_by
                FROM lead_import_batches AS b
                WHERE b.import_id = i.import_id AND b.first_record <= i.record
                ORDER BY b.first_record DESC
                LIMIT 1
            ) AS _written_by
        FROM lead_before_images AS i
        WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ) AS i
    JOIN lead_import_stage AS s ON s.record = i.record
    JOIN sales.customers AS l ON l.code = CAST(i.lead_id AS uuid);

    -- step: leave referred values
    -- A row of another table refers to a lead by a value. Its foreign key would pass the old one on,
    -- or forbid it.
    FOR _referrer IN
-- Find each foreign key to leads, whatever it does on DELETE: the table, and how its rows match.
-- Leave out those of partitions, because a query of the partitioned table sees their rows.
SELECT
    conname AS rule,
    conrelid::regclass::text AS name,
    string_agg(format('c.%I = l.%I', c.attname, l.attname), ' AND ') AS matches,
    array_agg(l.attname::text) AS columns,
    -- From Postgres 18 on a rule may be there without being enforced.
    bool_and(coalesce(CAST(to_jsonb(pg_constraint) ->> 'conenforced' AS boolean), true))
        AS is_enforced,
    has_table_privilege(conrelid, 'SELECT') AND NOT row_security_active(conrelid) AS may_look
FROM pg_catalog.pg_constraint
CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (referring, referred)
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = conrelid AND c.attnum = referring
JOIN pg_catalog.pg_attribute AS l ON l.attrelid = confrelid AND l.attnum = referred
WHERE contype = 'f' AND confrelid = 'sales.customers'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid

    LOOP
        FOR _name IN
            SELECT referred
            FROM unnest(_referrer.columns) AS referred
            WHERE _referrer.is_enforced AND _referrer.may_look AND referred IN (
                'first_name',
                'last_name',
                'phone_number',
                'email',
                'stage',
                'owner',
                'bill'
            )
        LOOP
            EXECUTE format(
                'UPDATE lead_revert_restore AS r SET %1$I = l.%1$I FROM %2$s AS l JOIN %3$s AS c '
                'ON %4$s WHERE l.%5$s = r._lead_id',
                _name, 'sales.customers'::regclass, _referrer.name, _referrer.matches, 'code');
        END LOOP;
    END LOOP;

    -- step: restore leads
    -- All at once. If a constraint refuses one value, go lead by lead and column by column: this
    -- one alone stays.
    BEGIN
        UPDATE sales.customers AS l
        SET
            first_name = r.first_name,
            last_name = r.last_name,
            phone_number = r.phone_number,
            email = r.email,
            stage = r.stage,
            owner = r.owner,
            bill = r.bill,
            changed_on = r.changed_on
        FROM lead_revert_restore AS r
        WHERE l.code = r._lead_id
            AND (
                CAST(l.first_name AS text) COLLATE "C" IS DISTINCT FROM CAST(r.first_name AS text)
                OR CAST(l.last_name AS text) COLLATE "C" IS DISTINCT FROM CAST(r.last_name AS text)
                OR CAST(l.phone_number AS text) COLLATE "C" IS DISTINCT FROM CAST(r.phone_number AS text)
                OR CAST(l.email AS text) COLLATE "C" IS DISTINCT FROM CAST(r.email AS text)
                OR CAST(l.stage AS text) COLLATE "C" IS DISTINCT FROM CAST(r.stage AS text)
                OR CAST(l.owner AS text) COLLATE "C" IS DISTINCT FROM CAST(r.owner AS text)
                OR CAST(l.bill AS text) COLLATE "C" IS DISTINCT FROM CAST(r.bill AS text)
                OR CAST(l.changed_on AS text) COLLATE "C" IS DISTINCT FROM CAST(r.changed_on AS text)
            );
        GET DIAGNOSTICS _rewritten = ROW_COUNT;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _rewritten := NULL;  -- The server's counters keep what was rolled back.
        FOR _lead IN SELECT _lead_id FROM lead_revert_restore ORDER BY _lead_id LOOP
            FOREACH _name IN ARRAY ARRAY[
                'first_name',
                'last_name',
                'phone_number',
                'email',
                'stage',
                'owner',
                'bill',
                'changed_on'
            ] LOOP
                BEGIN
                    EXECUTE format(
                        'UPDATE %1$s AS l SET %3$s = r.%3$s FROM lead_revert_restore AS r '
                        'WHERE r._lead_id = $1 AND l.%2$s = $1 '
                        'AND CAST(l.%3$s AS text) COLLATE "C" IS DISTINCT FROM CAST(r.%3$s AS text)',
                        'sales.customers'::regclass, 'code', _name)
                    USING _lead;
                EXCEPTION WHEN OTHERS OR assert_failure THEN
                    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                        RAISE;
                    END IF;
                END;
            END LOOP;
        END LOOP;
    END;

    -- step: count kept leads
    UPDATE lead_revert_restore AS r
    SET _kept = true
    FROM (
        SELECT
            i.*,
            pg_temp.lead_old_values(i.old_values) AS _today
        FROM lead_before_images AS i
        WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ) AS i
    JOIN sales.customers AS l ON l.code = CAST(i.lead_id AS uuid)
    WHERE r._lead_id = l.code
        AND (
            CAST(l.first_name AS text) IS DISTINCT FROM coalesce(i._today[1], i.old_values[1])
            OR CAST(l.last_name AS text) IS DISTINCT FROM coalesce(i._today[2], i.old_values[2])
            OR CAST(l.phone_number AS text) IS DISTINCT FROM coalesce(i._today[3], i.old_values[3])
            OR CAST(l.email AS text) IS DISTINCT FROM i.old_values[4]
            OR CAST(l.stage AS text) IS DISTINCT FROM coalesce(i._today[5], i.old_values[5])
            OR CAST(l.owner AS text) IS DISTINCT FROM coalesce(i._today[6], i.old_values[6])
            OR CAST(l.bill AS text) IS DISTINCT FROM coalesce(i._today[7], i.old_values[7])
        );
    SELECT count(*) FILTER (WHERE r._kept) INTO _kept FROM lead_revert_restore AS r;

    -- step: tell restored leads
    -- If a lead is as an earlier import left it, and only imports have written it since, people
    -- have not edited it. The import that created it may remove it.
    UPDATE lead_before_images AS i
    SET restored_by = (
        SELECT CAST(CAST(l.xmin AS text) AS bigint)
        FROM sales.customers AS l
        WHERE l.code = CAST(i.lead_id AS uuid)
    )
    WHERE i.import_id = _import
        AND i.record = ANY (
            ARRAY(SELECT r._record FROM lead_revert_restore AS r WHERE r._ours AND NOT r._kept)
        );

    -- step: find created leads
    -- A lead is untouched if it holds what the import wrote, and only imports have written its row.
    -- Where the record is blank, a trigger may have given it a value.
    IF _remove_created THEN
        INSERT INTO lead_revert_remove (record, lead_id)
        SELECT m.record, l.code
        FROM lead_revert_made AS m
        JOIN lead_import_stage AS s ON s.record = m.record
        JOIN sales.customers AS l ON l.code = CAST(m.lead_id AS uuid)
        WHERE m.record >= _from AND m.record < _to
            AND NOT (l.reference IS DISTINCT FROM coalesce(s.lead_number, '')
            OR l.first_name IS DISTINCT FROM coalesce(s.written_full_name_1, '')
                OR l.last_name IS DISTINCT FROM coalesce(s.written_full_name_2, '')
            OR (l.phone_number IS DISTINCT FROM coalesce(s.written_phone, ''))
                AND (s.phone IS NULL OR s.written_phone IS NOT NULL)
            OR CAST(l.email AS text) COLLATE "C" IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            OR (l.stage IS DISTINCT FROM coalesce(s.written_status, CAST('OPEN' AS stage)))
                AND (s.status IS NULL OR s.written_status IS NOT NULL)
            OR (l.owner IS DISTINCT FROM coalesce(s.written_assigned_agent, (
                SELECT CAST(f.id AS bigint) FROM lead_import_found AS f
                WHERE f.field = 'assigned_agent' AND f.value = 'desk')))
                AND (s.assigned_agent IS NULL OR s.written_assigned_agent IS NOT NULL)
            OR (l.bill IS DISTINCT FROM s.written_bill)
                AND (s.bill IS NULL OR s.written_bill IS NOT NULL))
            AND l.created_on = CAST(s.created_at AT TIME ZONE 'UTC' AS date)
            AND (
                l.xmin = CAST(CAST(m.written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.code AS text)
                        AND v.version = CAST(CAST(l.xmin AS text) AS bigint)
                        AND v.was = m.written_by
                )
            );

        -- step: lock created leads
        -- FOR UPDATE: from here on nobody can add a row referring to one of them.
        PERFORM code
        FROM sales.customers
        WHERE code = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove))
        ORDER BY code
        FOR UPDATE;

        -- step: look at created leads again
        -- Not NOT EXISTS: the planner might turn it around and look the lead up by its time.
        DELETE FROM lead_revert_remove AS r
        WHERE (
            SELECT true FROM lead_revert_made AS m
            JOIN lead_import_stage AS s ON s.record = m.record
            JOIN sales.customers AS l ON l.code = r.lead_id
            WHERE m.lead_id = CAST(r.lead_id AS text)
            AND NOT (l.reference IS DISTINCT FROM coalesce(s.lead_number, '')
            OR l.first_name IS DISTINCT FROM coalesce(s.written_full_name_1, '')
                OR l.last_name IS DISTINCT FROM coalesce(s.written_full_name_2, '')
            OR (l.phone_number IS DISTINCT FROM coalesce(s.written_phone, ''))
                AND (s.phone IS NULL OR s.written_phone IS NOT NULL)
            OR CAST(l.email AS text) COLLATE "C" IS DISTINCT FROM CAST(s.email AS text) COLLATE "C"
            OR (l.stage IS DISTINCT FROM coalesce(s.written_status, CAST('OPEN' AS stage)))
                AND (s.status IS NULL OR s.written_status IS NOT NULL)
            OR (l.owner IS DISTINCT FROM coalesce(s.written_assigned_agent, (
                SELECT CAST(f.id AS bigint) FROM lead_import_found AS f
                WHERE f.field = 'assigned_agent' AND f.value = 'desk')))
                AND (s.assigned_agent IS NULL OR s.written_assigned_agent IS NOT NULL)
            OR (l.bill IS DISTINCT FROM s.written_bill)
                AND (s.bill IS NULL OR s.written_bill IS NOT NULL))
            AND l.created_on = CAST(s.created_at AT TIME ZONE 'UTC' AS date)
            AND (
                l.xmin = CAST(CAST(m.written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.code AS text)
                        AND v.version = CAST(CAST(l.xmin AS text) AS bigint)
                        AND v.was = m.written_by
                )
            )
            LIMIT 1
        ) IS NULL;

        -- step: find referring rows
        FOR _referrer IN
-- Find each foreign key to leads, whatever it does on DELETE: the table, and how its rows match.
-- Leave out those of partitions, because a query of the partitioned table sees their rows.
SELECT
    conname AS rule,
    conrelid::regclass::text AS name,
    string_agg(format('c.%I = l.%I', c.attname, l.attname), ' AND ') AS matches,
    array_agg(l.attname::text) AS columns,
    -- From Postgres 18 on a rule may be there without being enforced.
    bool_and(coalesce(CAST(to_jsonb(pg_constraint) ->> 'conenforced' AS boolean), true))
        AS is_enforced,
    has_table_privilege(conrelid, 'SELECT') AND NOT row_security_active(conrelid) AS may_look
FROM pg_catalog.pg_constraint
CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (referring, referred)
JOIN pg_catalog.pg_attribute AS c ON c.attrelid = conrelid AND c.attnum = referring
JOIN pg_catalog.pg_attribute AS l ON l.attrelid = confrelid AND l.attnum = referred
WHERE contype = 'f' AND confrelid = 'sales.customers'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid

        LOOP
            -- Not EXISTS: the planner might turn it around and read all references to any lead.
            EXECUTE format(
                'UPDATE lead_revert_remove AS r SET referenced = true WHERE NOT r.referenced '
                'AND (SELECT true FROM %s AS l JOIN %s AS c ON %s WHERE l.%s = r.lead_id LIMIT 1)',
                'sales.customers'::regclass, _referrer.name, _referrer.matches, 'code');
        END LOOP;

        -- step: remove created leads
        -- All at once. If a trigger or a rule of the table refuses one, go lead by lead: this one
        -- stays. The server's counters keep what was rolled back.
        _deleted := pg_stat_get_xact_tuples_deleted('sales.customers'::regclass);
        BEGIN
            WITH gone AS (
                DELETE FROM sales.customers
                WHERE code = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove WHERE NOT referenced))
                RETURNING code AS id
            )
            UPDATE lead_revert_remove SET removed = true
            FROM gone
            WHERE lead_id = gone.id;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            _undone := pg_stat_get_xact_tuples_deleted('sales.customers'::regclass) - _deleted;
            FOR _lead IN
                SELECT lead_id FROM lead_revert_remove WHERE NOT referenced ORDER BY lead_id
            LOOP
                _deleted := pg_stat_get_xact_tuples_deleted('sales.customers'::regclass);
                BEGIN
                    WITH gone AS (
                        DELETE FROM sales.customers
                        WHERE code = _lead
                        RETURNING code AS id
                    )
                    UPDATE lead_revert_remove SET removed = true
                    FROM gone
                    WHERE lead_id = gone.id;
                EXCEPTION WHEN OTHERS OR assert_failure THEN
                    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                        RAISE;
                    END IF;
                    _undone := _undone + pg_stat_get_xact_tuples_deleted('sales.customers'::regclass) - _deleted;
                END;
            END LOOP;
        END;
    END IF;
    SELECT count(*) FILTER (WHERE removed), count(*) FILTER (WHERE referenced)
    INTO _removed, _referenced
    FROM lead_revert_remove;

    -- step: write the ledger
    -- Created leads still there at the end are referenced, and counted so, or else edited or kept
    -- by a rule of the table.
    UPDATE lead_imports
    SET restored = restored + _images - _kept,
        kept = kept + _kept + CASE
            WHEN _end = records AND _remove_created THEN (
                SELECT count(*)
                FROM lead_revert_made AS m
                JOIN sales.customers AS l ON l.code = CAST(m.lead_id AS uuid)
            ) - referenced - _referenced
            ELSE 0
        END,
        removed = removed + _removed,
        referenced = referenced + _referenced,
        -- Forgotten, or lost with a part of the ledger.
        unrestored = CASE
            WHEN _end = records THEN updated - (
                SELECT count(*) FROM lead_before_images WHERE import_id = _import
            )
            ELSE 0
        END,
        reverted_at = CASE WHEN _end = records THEN clock_timestamp() END
    WHERE id = _import;

    -- step: prove writes
    PERFORM pg_temp.lead_import_prove_writes(
        'sales.customers'::regclass, 0, _rewritten, _removed + _undone, _written_before, _held_before
    );
END
$batch$
