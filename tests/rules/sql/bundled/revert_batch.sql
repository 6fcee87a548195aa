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
    _lead bigint;
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
    PERFORM l.id
    FROM lead_before_images AS i
    JOIN lead_import_stage AS s ON s.record = i.record
    JOIN leads AS l ON l.id = CAST(i.lead_id AS bigint)
    WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ORDER BY l.id
    FOR NO KEY UPDATE OF l;
    GET DIAGNOSTICS _images = ROW_COUNT;

    -- step: find old values
    -- Give a lead's column its old value back if it still holds what the import wrote. People's
    -- later edits stay.
    INSERT INTO lead_revert_restore (
        _lead_id,
        lead_number,
        full_name,
        phone,
        email,
        status,
        address1,
        postal_code,
        notes,
        assigned_agent,
        updated_at,
        _record,
        _ours,
        _kept
    )
    SELECT
        l.id,
        CASE
            WHEN s.lead_number IS NOT NULL AND l.lead_number
                IS NOT DISTINCT FROM s.lead_number
            THEN i.old_values[1]
            ELSE l.lead_number
        END,
        CASE
            WHEN s.full_name IS NOT NULL AND l.full_name
                IS NOT DISTINCT FROM s.full_name
            THEN i.old_values[2]
            ELSE l.full_name
        END,
        CASE
            WHEN s.phone IS NOT NULL AND l.phone
                IS NOT DISTINCT FROM s.phone
            THEN i.old_values[3]
            ELSE l.phone
        END,
        CASE
            WHEN s.email IS NOT NULL AND l.email
                IS NOT DISTINCT FROM s.email
            THEN i.old_values[4]
            ELSE l.email
        END,
        CASE
            WHEN s.status IS NOT NULL AND l.status
                IS NOT DISTINCT FROM s.status
            THEN i.old_values[5]
            ELSE l.status
        END,
        CASE
            WHEN s.address1 IS NOT NULL AND l.address1
                IS NOT DISTINCT FROM s.address1
            THEN i.old_values[6]
            ELSE l.address1
        END,
        CASE
            WHEN s.postal_code IS NOT NULL AND l.postal_code
                IS NOT DISTINCT FROM s.postal_code
            THEN i.old_values[7]
            ELSE l.postal_code
        END,
        CASE
            WHEN s.notes IS NOT NULL AND l.notes
                IS NOT DISTINCT FROM s.notes
            THEN i.old_values[8]
            ELSE l.notes
        END,
        CASE
            WHEN s.assigned_agent IS NOT NULL AND l.assigned_agent
                IS NOT DISTINCT FROM s.assigned_agent
            THEN i.old_values[9]
            ELSE l.assigned_agent
        END,
        CASE
            WHEN l.updated_at = i.imported_at
            THEN CAST(i.old_values[10] AS timestamp with time zone)
            ELSE l.updated_at
        END,
        i.record,
        EXISTS (SELECT FROM lead_revert_ours AS o WHERE o.version = i.seen_by)
            AND (
                l.xmin = CAST(CAST(i._written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.id AS text)
                        AND v.version = CAST(CAST(l.xmin AS text) AS bigint)
                        AND v.was = i._written_by
                )
            ),
        false
    FROM (
        SELECT
            i.*,
            i.old_values AS _today,
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
    JOIN leads AS l ON l.id = CAST(i.lead_id AS bigint);

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
WHERE contype = 'f' AND confrelid = 'leads'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid

    LOOP
        FOR _name IN
            SELECT referred
            FROM unnest(_referrer.columns) AS referred
            WHERE _referrer.is_enforced AND _referrer.may_look AND referred IN (
                'lead_number',
                'full_name',
                'phone',
                'email',
                'status',
                'address1',
                'postal_code',
                'notes',
                'assigned_agent'
            )
        LOOP
            EXECUTE format(
                'UPDATE lead_revert_restore AS r SET %1$I = l.%1$I FROM %2$s AS l JOIN %3$s AS c '
                'ON %4$s WHERE l.%5$s = r._lead_id',
                _name, 'leads'::regclass, _referrer.name, _referrer.matches, 'id');
        END LOOP;
    END LOOP;

    -- step: restore leads
    -- All at once. If a constraint refuses one value, go lead by lead and column by column: this
    -- one alone stays.
    BEGIN
        UPDATE leads AS l
        SET
            lead_number = r.lead_number,
            full_name = r.full_name,
            phone = r.phone,
            email = r.email,
            status = r.status,
            address1 = r.address1,
            postal_code = r.postal_code,
            notes = r.notes,
            assigned_agent = r.assigned_agent,
            updated_at = r.updated_at
        FROM lead_revert_restore AS r
        WHERE l.id = r._lead_id
            AND (
                CAST(l.lead_number AS text) COLLATE "C" IS DISTINCT FROM CAST(r.lead_number AS text)
                OR CAST(l.full_name AS text) COLLATE "C" IS DISTINCT FROM CAST(r.full_name AS text)
                OR CAST(l.phone AS text) COLLATE "C" IS DISTINCT FROM CAST(r.phone AS text)
                OR CAST(l.email AS text) COLLATE "C" IS DISTINCT FROM CAST(r.email AS text)
                OR CAST(l.status AS text) COLLATE "C" IS DISTINCT FROM CAST(r.status AS text)
                OR CAST(l.address1 AS text) COLLATE "C" IS DISTINCT FROM CAST(r.address1 AS text)
                OR CAST(l.postal_code AS text) COLLATE "C" IS DISTINCT FROM CAST(r.postal_code AS text)
                OR CAST(l.notes AS text) COLLATE "C" IS DISTINCT FROM CAST(r.notes AS text)
                OR CAST(l.assigned_agent AS text) COLLATE "C" IS DISTINCT FROM CAST(r.assigned_agent AS text)
                OR CAST(l.updated_at AS text) COLLATE "C" IS DISTINCT FROM CAST(r.updated_at AS text)
            );
        GET DIAGNOSTICS _rewritten = ROW_COUNT;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        _rewritten := NULL;  -- The server's counters keep what was rolled back.
        FOR _lead IN SELECT _lead_id FROM lead_revert_restore ORDER BY _lead_id LOOP
            FOREACH _name IN ARRAY ARRAY[
                'lead_number',
                'full_name',
                'phone',
                'email',
                'status',
                'address1',
                'postal_code',
                'notes',
                'assigned_agent',
                'updated_at'
            ] LOOP
                BEGIN
                    EXECUTE format(
                        'UPDATE %1$s AS l SET %3$s = r.%3$s FROM lead_revert_restore AS r '
                        'WHERE r._lead_id = $1 AND l.%2$s = $1 '
                        'AND CAST(l.%3$s AS text) COLLATE "C" IS DISTINCT FROM CAST(r.%3$s AS text)',
                        'leads'::regclass, 'id', _name)
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
            i.old_values AS _today
        FROM lead_before_images AS i
        WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ) AS i
    JOIN leads AS l ON l.id = CAST(i.lead_id AS bigint)
    WHERE r._lead_id = l.id
        AND (
            CAST(l.lead_number AS text) IS DISTINCT FROM i.old_values[1]
            OR CAST(l.full_name AS text) IS DISTINCT FROM i.old_values[2]
            OR CAST(l.phone AS text) IS DISTINCT FROM i.old_values[3]
            OR CAST(l.email AS text) IS DISTINCT FROM i.old_values[4]
            OR CAST(l.status AS text) IS DISTINCT FROM i.old_values[5]
            OR CAST(l.address1 AS text) IS DISTINCT FROM i.old_values[6]
            OR CAST(l.postal_code AS text) IS DISTINCT FROM i.old_values[7]
            OR CAST(l.notes AS text) IS DISTINCT FROM i.old_values[8]
            OR CAST(l.assigned_agent AS text) IS DISTINCT FROM i.old_values[9]
        );
    SELECT count(*) FILTER (WHERE r._kept) INTO _kept FROM lead_revert_restore AS r;

    -- step: tell restored leads
    -- If a lead is as an earlier import left it, and only imports have written it since, people
    -- have not edited it. The import that created it may remove it.
    UPDATE lead_before_images AS i
    SET restored_by = (
        SELECT CAST(CAST(l.xmin AS text) AS bigint)
        FROM leads AS l
        WHERE l.id = CAST(i.lead_id AS bigint)
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
        SELECT m.record, l.id
        FROM lead_revert_made AS m
        JOIN lead_import_stage AS s ON s.record = m.record
        JOIN leads AS l ON l.id = CAST(m.lead_id AS bigint)
        WHERE m.record >= _from AND m.record < _to
            AND NOT (l.lead_number IS DISTINCT FROM coalesce(s.lead_number, '')
            OR l.full_name IS DISTINCT FROM coalesce(s.full_name, '')
            OR l.phone IS DISTINCT FROM coalesce(s.phone, '')
            OR l.email IS DISTINCT FROM coalesce(s.email, '')
            OR l.status IS DISTINCT FROM coalesce(s.status, '')
            OR l.address1 IS DISTINCT FROM coalesce(s.address1, '')
            OR l.postal_code IS DISTINCT FROM coalesce(s.postal_code, '')
            OR l.notes IS DISTINCT FROM coalesce(s.notes, '')
            OR l.assigned_agent IS DISTINCT FROM coalesce(s.assigned_agent, ''))
            AND l.created_at = s.created_at
            AND (
                l.xmin = CAST(CAST(m.written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.id AS text)
                        AND v.version = CAST(CAST(l.xmin AS text) AS bigint)
                        AND v.was = m.written_by
                )
            );

        -- step: lock created leads
        -- FOR UPDATE: from here on nobody can add a row referring to one of them.
        PERFORM id
        FROM leads
        WHERE id = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove))
        ORDER BY id
        FOR UPDATE;

        -- step: look at created leads again
        -- Not NOT EXISTS: the planner might turn it around and look the lead up by its time.
        DELETE FROM lead_revert_remove AS r
        WHERE (
            SELECT true FROM lead_revert_made AS m
            JOIN lead_import_stage AS s ON s.record = m.record
            JOIN leads AS l ON l.id = r.lead_id
            WHERE m.lead_id = CAST(r.lead_id AS text)
            AND NOT (l.lead_number IS DISTINCT FROM coalesce(s.lead_number, '')
            OR l.full_name IS DISTINCT FROM coalesce(s.full_name, '')
            OR l.phone IS DISTINCT FROM coalesce(s.phone, '')
            OR l.email IS DISTINCT FROM coalesce(s.email, '')
            OR l.status IS DISTINCT FROM coalesce(s.status, '')
            OR l.address1 IS DISTINCT FROM coalesce(s.address1, '')
            OR l.postal_code IS DISTINCT FROM coalesce(s.postal_code, '')
            OR l.notes IS DISTINCT FROM coalesce(s.notes, '')
            OR l.assigned_agent IS DISTINCT FROM coalesce(s.assigned_agent, ''))
            AND l.created_at = s.created_at
            AND (
                l.xmin = CAST(CAST(m.written_by AS text) AS xid)
                OR EXISTS (
                    SELECT FROM lead_revert_same AS v
                    WHERE v.lead_id = CAST(l.id AS text)
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
WHERE contype = 'f' AND confrelid = 'leads'::regclass AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid

        LOOP
            -- Not EXISTS: the planner might turn it around and read all references to any lead.
            EXECUTE format(
                'UPDATE lead_revert_remove AS r SET referenced = true WHERE NOT r.referenced '
                'AND (SELECT true FROM %s AS l JOIN %s AS c ON %s WHERE l.%s = r.lead_id LIMIT 1)',
                'leads'::regclass, _referrer.name, _referrer.matches, 'id');
        END LOOP;

        -- step: remove created leads
        -- All at once. If a trigger or a rule of the table refuses one, go lead by lead: this one
        -- stays. The server's counters keep what was rolled back.
        _deleted := pg_stat_get_xact_tuples_deleted('leads'::regclass);
        BEGIN
            WITH gone AS (
                DELETE FROM leads
                WHERE id = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove WHERE NOT referenced))
                RETURNING id AS id
            )
            UPDATE lead_revert_remove SET removed = true
            FROM gone
            WHERE lead_id = gone.id;
        EXCEPTION WHEN OTHERS OR assert_failure THEN
            IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                RAISE;
            END IF;
            _undone := pg_stat_get_xact_tuples_deleted('leads'::regclass) - _deleted;
            FOR _lead IN
                SELECT lead_id FROM lead_revert_remove WHERE NOT referenced ORDER BY lead_id
            LOOP
                _deleted := pg_stat_get_xact_tuples_deleted('leads'::regclass);
                BEGIN
                    WITH gone AS (
                        DELETE FROM leads
                        WHERE id = _lead
                        RETURNING id AS id
                    )
                    UPDATE lead_revert_remove SET removed = true
                    FROM gone
                    WHERE lead_id = gone.id;
                EXCEPTION WHEN OTHERS OR assert_failure THEN
                    IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
                        RAISE;
                    END IF;
                    _undone := _undone + pg_stat_get_xact_tuples_deleted('leads'::regclass) - _deleted;
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
                JOIN leads AS l ON l.id = CAST(m.lead_id AS bigint)
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
        'leads'::regclass, 0, _rewritten, _removed + _undone, _written_before, _held_before
    );
END
$batch$
