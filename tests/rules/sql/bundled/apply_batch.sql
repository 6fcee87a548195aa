CREATE OR REPLACE FUNCTION pg_temp.lead_import_apply_batch(
    _import bigint, _first bigint, _end bigint
) RETURNS void
LANGUAGE plpgsql
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET jit = off
AS $batch$
DECLARE
    _staged bigint;
    _found bigint;
    _shared bigint;
    _differing bigint;
    _created_ids text[];
    _created_records integer[];
    _created bigint;
    _written_by bigint;
    _has_triggers boolean;
    _changed_by_triggers bigint;
    _sqlstate text;
    _constraint text;
    _column text;
    _locked bigint;
    _changed bigint;
    _updated bigint;
    _updated_keys bigint;
    _rejected bigint;
    _written_before jsonb;
    _held_before oid[];
BEGIN
    -- step: look at writes
    SELECT _written, _held_alone
    INTO _written_before, _held_before
    FROM pg_temp.lead_import_look_at_writes();

    -- In a dry run no commit has emptied it.
    IF EXISTS (SELECT FROM lead_import_place) THEN
        TRUNCATE lead_import_place;
    END IF;

    -- step: move the checkpoint
    -- Compare and swap: of two processes at the same batch, only one moves on.
    UPDATE lead_imports
    SET next_record = _end
    WHERE id = _import AND reverted_at IS NULL AND next_record = _first;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the checkpoint has moved' USING ERRCODE = 'LI003';
    END IF;

    -- step: find leads
    -- Of several leads with one phone take the oldest. OFFSET 0 keeps the search apart from the
    -- order, or the planner might prefer an index on the order's columns.
    INSERT INTO lead_import_place (record, lead_id, seen, differs, leads)
    SELECT DISTINCT ON (s.record)
        s.record,
        l.id,
        l.ctid,
        (s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number
            OR s.full_name IS NOT NULL
                AND l.full_name IS DISTINCT FROM s.full_name
            OR s.phone IS NOT NULL
                AND l.phone IS DISTINCT FROM s.phone
            OR s.email IS NOT NULL
                AND l.email IS DISTINCT FROM s.email
            OR s.status IS NOT NULL
                AND l.status IS DISTINCT FROM s.status
            OR s.address1 IS NOT NULL
                AND l.address1 IS DISTINCT FROM s.address1
            OR s.postal_code IS NOT NULL
                AND l.postal_code IS DISTINCT FROM s.postal_code
            OR s.notes IS NOT NULL
                AND l.notes IS DISTINCT FROM s.notes
            OR s.assigned_agent IS NOT NULL
                AND l.assigned_agent IS DISTINCT FROM s.assigned_agent),
        count(*) OVER (PARTITION BY s.record)
    FROM lead_import_stage AS s
    CROSS JOIN LATERAL (
        SELECT l.*, l.ctid
        FROM leads AS l
        WHERE lead_phone_key_v1(CAST(l.phone AS text)) = s.phone_key AND (true)
        OFFSET 0
    ) AS l
    WHERE s.record >= _first AND s.record < _end
    ORDER BY s.record, l.created_at NULLS LAST, l.id;

    -- If the table refuses a row, say so without the row: its text would stand in the server's log.
    BEGIN
        -- step: add leads
        -- A plain INSERT: its rows come back in the order of the records. Not a bare column in NOT
        -- IN: from Postgres 19 on the planner would make a join of it, each record with each.
        WITH added AS (
            INSERT INTO leads AS l (
                lead_number,
            full_name,
            phone,
            email,
            status,
            address1,
            postal_code,
            notes,
            assigned_agent,
            created_at,
            updated_at
            )
            SELECT
                coalesce(s.lead_number, ''),
            coalesce(s.full_name, ''),
            coalesce(s.phone, ''),
            coalesce(s.email, ''),
            coalesce(s.status, ''),
            coalesce(s.address1, ''),
            coalesce(s.postal_code, ''),
            coalesce(s.notes, ''),
            coalesce(s.assigned_agent, ''),
            s.created_at,
            s.created_at
            FROM lead_import_stage AS s
            WHERE s.record >= _first AND s.record < _end
                AND s.record NOT IN (SELECT record + 0 FROM lead_import_place)
            ORDER BY s.record
            RETURNING l.id AS id, l.xmin AS written_by
        )
        SELECT
            coalesce(array_agg(CAST(id AS text)), '{}'),
            CAST(CAST((array_agg(written_by))[1] AS text) AS bigint)
        INTO _created_ids, _written_by
        FROM added;
        _created := cardinality(_created_ids);
        _created_records := ARRAY(
            SELECT record
            FROM lead_import_stage
            WHERE record >= _first AND record < _end
                AND record NOT IN (SELECT record + 0 FROM lead_import_place)
            ORDER BY record
        );

        -- step: lock leads
        -- Lock in one order, or two of us might wait for each other in a circle. Not FOR UPDATE, to
        -- let the site add rows referring to a lead meanwhile. The before-image is the locked row,
        -- the site's last word.
        WITH locked AS MATERIALIZED (
            SELECT
                s.record,
                l._lead_id,
                l._old_values,
                l._seen_by,
                (s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number
            OR s.full_name IS NOT NULL
                AND l.full_name IS DISTINCT FROM s.full_name
            OR s.phone IS NOT NULL
                AND l.phone IS DISTINCT FROM s.phone
            OR s.email IS NOT NULL
                AND l.email IS DISTINCT FROM s.email
            OR s.status IS NOT NULL
                AND l.status IS DISTINCT FROM s.status
            OR s.address1 IS NOT NULL
                AND l.address1 IS DISTINCT FROM s.address1
            OR s.postal_code IS NOT NULL
                AND l.postal_code IS DISTINCT FROM s.postal_code
            OR s.notes IS NOT NULL
                AND l.notes IS DISTINCT FROM s.notes
            OR s.assigned_agent IS NOT NULL
                AND l.assigned_agent IS DISTINCT FROM s.assigned_agent) AS differs
            FROM (SELECT * FROM lead_import_place WHERE differs ORDER BY lead_id) AS p
            JOIN lead_import_stage AS s ON s.record = p.record
            CROSS JOIN LATERAL (
                SELECT
                    l.id AS _lead_id,
                    ARRAY[
                        CAST(l.lead_number AS text),
                    CAST(l.full_name AS text),
                    CAST(l.phone AS text),
                    CAST(l.email AS text),
                    CAST(l.status AS text),
                    CAST(l.address1 AS text),
                    CAST(l.postal_code AS text),
                    CAST(l.notes AS text),
                    CAST(l.assigned_agent AS text),
                    CAST(l.updated_at AS text)
                    ]::text[] AS _old_values,
                    CAST(CAST(l.xmin AS text) AS bigint) AS _seen_by,
                    l.lead_number,
                l.full_name,
                l.phone,
                l.email,
                l.status,
                l.address1,
                l.postal_code,
                l.notes,
                l.assigned_agent
                FROM leads AS l
                WHERE l.id = p.lead_id
                    AND (
                        l.ctid = p.seen
                        OR lead_phone_key_v1(CAST(l.phone AS text)) = s.phone_key AND (true)
                    )
                LIMIT 1
                FOR NO KEY UPDATE
            ) AS l
        ),
        -- step: keep before-images
        kept AS (
            INSERT INTO lead_before_images (
                import_id, record, lead_id, old_values, imported_at, seen_by
            )
            SELECT _import, record, CAST(_lead_id AS text), _old_values, now(), _seen_by
            FROM locked
            WHERE differs
            RETURNING xmin AS written_by
        )
        SELECT
            (SELECT count(*) FROM locked),
            (SELECT count(*) FROM kept),
            coalesce(
                _written_by,
                (SELECT CAST(CAST(written_by AS text) AS bigint) FROM kept LIMIT 1)
            )
        INTO _locked, _changed, _written_by;

        -- step: update leads
    UPDATE leads AS l
    SET
        lead_number = coalesce(s.lead_number, l.lead_number),
        full_name = coalesce(s.full_name, l.full_name),
        phone = coalesce(s.phone, l.phone),
        email = coalesce(s.email, l.email),
        status = coalesce(s.status, l.status),
        address1 = coalesce(s.address1, l.address1),
        postal_code = coalesce(s.postal_code, l.postal_code),
        notes = coalesce(s.notes, l.notes),
        assigned_agent = coalesce(s.assigned_agent, l.assigned_agent),
        updated_at = now()
    FROM lead_import_place AS p
    JOIN lead_import_stage AS s ON s.record = p.record
    WHERE l.id = p.lead_id AND p.differs
        AND (s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number
            OR s.full_name IS NOT NULL
                AND l.full_name IS DISTINCT FROM s.full_name
            OR s.phone IS NOT NULL
                AND l.phone IS DISTINCT FROM s.phone
            OR s.email IS NOT NULL
                AND l.email IS DISTINCT FROM s.email
            OR s.status IS NOT NULL
                AND l.status IS DISTINCT FROM s.status
            OR s.address1 IS NOT NULL
                AND l.address1 IS DISTINCT FROM s.address1
            OR s.postal_code IS NOT NULL
                AND l.postal_code IS DISTINCT FROM s.postal_code
            OR s.notes IS NOT NULL
                AND l.notes IS DISTINCT FROM s.notes
            OR s.assigned_agent IS NOT NULL
                AND l.assigned_agent IS DISTINCT FROM s.assigned_agent);
        GET DIAGNOSTICS _updated = ROW_COUNT;

        -- Run deferred triggers and checks now, to see what they do.
        SET CONSTRAINTS ALL IMMEDIATE;

        -- step: look at triggers
        -- If a trigger could have changed a row, compare what was written with what was asked.
        _has_triggers := EXISTS (
            SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = 'leads'::regclass AND tgtype & 3 = 3 AND tgenabled <> 'D'
        );
        IF _has_triggers THEN
            SELECT count(*) INTO _changed_by_triggers
            FROM (
                SELECT p.record, p.lead_id, false AS is_new
                FROM lead_import_place AS p
                WHERE p.differs
                UNION ALL
                SELECT made.record, CAST(made.lead_id AS bigint), true
                FROM unnest(_created_records, _created_ids) AS made (record, lead_id)
            ) AS w
            JOIN lead_import_stage AS s ON s.record = w.record
            JOIN leads AS l ON l.id = w.lead_id
            -- A blank may clear an existing lead's column. A new lead may have a value there.
            WHERE NOT w.is_new AND (s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number
            OR s.full_name IS NOT NULL
                AND l.full_name IS DISTINCT FROM s.full_name
            OR s.phone IS NOT NULL
                AND l.phone IS DISTINCT FROM s.phone
            OR s.email IS NOT NULL
                AND l.email IS DISTINCT FROM s.email
            OR s.status IS NOT NULL
                AND l.status IS DISTINCT FROM s.status
            OR s.address1 IS NOT NULL
                AND l.address1 IS DISTINCT FROM s.address1
            OR s.postal_code IS NOT NULL
                AND l.postal_code IS DISTINCT FROM s.postal_code
            OR s.notes IS NOT NULL
                AND l.notes IS DISTINCT FROM s.notes
            OR s.assigned_agent IS NOT NULL
                AND l.assigned_agent IS DISTINCT FROM s.assigned_agent)
                OR w.is_new AND (s.lead_number IS NOT NULL
                AND l.lead_number IS DISTINCT FROM s.lead_number
            OR s.full_name IS NOT NULL
                AND l.full_name IS DISTINCT FROM s.full_name
            OR s.phone IS NOT NULL
                AND l.phone IS DISTINCT FROM s.phone
            OR s.email IS NOT NULL
                AND l.email IS DISTINCT FROM s.email
            OR s.status IS NOT NULL
                AND l.status IS DISTINCT FROM s.status
            OR s.address1 IS NOT NULL
                AND l.address1 IS DISTINCT FROM s.address1
            OR s.postal_code IS NOT NULL
                AND l.postal_code IS DISTINCT FROM s.postal_code
            OR s.notes IS NOT NULL
                AND l.notes IS DISTINCT FROM s.notes
            OR s.assigned_agent IS NOT NULL
                AND l.assigned_agent IS DISTINCT FROM s.assigned_agent
            OR l.created_at IS DISTINCT FROM s.created_at
                );
            IF _changed_by_triggers > 0 THEN
                RAISE EXCEPTION '% leads are not as they were written', _changed_by_triggers
                USING ERRCODE = 'LI006';
            END IF;
        END IF;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF SQLSTATE ~ '^(08|25|40|5|42501|LI|XX)' THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS
            _sqlstate = RETURNED_SQLSTATE,
            _constraint = CONSTRAINT_NAME,
            _column = COLUMN_NAME;
        RAISE EXCEPTION 'the table refuses a row' USING
            ERRCODE = CASE WHEN _sqlstate = '23505' THEN 'LI007' ELSE 'LI005' END,
            DETAIL = _sqlstate,
            CONSTRAINT = _constraint,
            COLUMN = _column;
    END;

    -- step: count records
    -- The site may have taken a lead away meanwhile, or given it another phone. A trigger may keep a
    -- row out.
    SELECT count(*) INTO _staged FROM lead_import_stage WHERE record >= _first AND record < _end;
    SELECT count(*), count(*) FILTER (WHERE differs), count(*) FILTER (WHERE leads > 1)
    INTO _found, _differing, _shared
    FROM lead_import_place;
    IF _staged <> _found + _created OR _locked <> _differing OR _updated <> _changed THEN
        RAISE EXCEPTION 'a record has no lead' USING ERRCODE = 'LI002';
    END IF;

    -- step: write the ledger
    INSERT INTO lead_import_rejects (import_id, record, field, reason)
    SELECT DISTINCT _import, record, field, reason
    FROM lead_import_rejected
    WHERE record >= _first AND record < _end;
    SELECT count(DISTINCT record) INTO _rejected
    FROM lead_import_rejected
    WHERE record >= _first AND record < _end;
    INSERT INTO lead_import_batches (
        import_id, first_record, next_record,
        created, updated, unchanged, rejected, folded,
        created_ids, created_records, written_by
    )
    VALUES (
        _import, _first, _end,
        _created, _changed, _staged - _created - _changed, _rejected,
        _end - _first - _staged - _rejected,
        _created_ids, _created_records, coalesce(_written_by, 0)
    );
    UPDATE lead_imports
    SET created = created + _created,
        updated = updated + _changed,
        unchanged = unchanged + _staged - _created - _changed,
        rejected = rejected + _rejected,
        folded = folded + _end - _first - _staged - _rejected,
        shared = shared + _shared,
        finished_at = CASE WHEN _end = records THEN clock_timestamp() END
    WHERE id = _import;

    -- step: prove writes
    PERFORM pg_temp.lead_import_prove_writes(
        'leads'::regclass, _created, _updated, 0, _written_before, _held_before
    );
END
$batch$
