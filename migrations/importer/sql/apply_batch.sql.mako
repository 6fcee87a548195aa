<%
    columns = [f"l.{column.name}" for column in table.compared]
    values = [(column.name, column.for_new) for column in table.columns]
    if table.created_at:
        values.append((table.created_at.name, table.created_at.of("s.created_at")))
    if table.touch:
        values.append((table.touch.name, table.touch.of("s.created_at")))
    values += table.new.items()
    old = [f"CAST(l.{column.name} AS text)" for column in table.compared]
    if table.touch:
        old.append(f"CAST(l.{table.touch.name} AS text)")
    is_lead = f"{table.phone_key} = s.phone_key AND ({table.only})"
    others = tuple(column for column in table.compared if not column.found.is_key)
    touched = [f"{table.touch.name} = {table.touch.of('now()')}"] if table.touch else []

    def changes(columns):
        """What a record makes of some columns, and of the time of the last change."""
        return [f"{column.name} = {table.new_value(column)}" for column in columns] + touched
%>\
<%def name="update_leads(columns)">\
    UPDATE ${table.name} AS l
    SET
        ${(",\n        ").join(changes(columns))}
    FROM lead_import_place AS p
    JOIN lead_import_stage AS s ON s.record = p.record
    WHERE l.${table.id} = p.lead_id AND p.differs
        AND (${table.differs()})\
</%def>\
<%def name="written_leads()">\
SELECT p.record, p.lead_id, false AS is_new
                FROM lead_import_place AS p
                WHERE p.differs
                UNION ALL
                SELECT made.record, CAST(made.lead_id AS ${table.id_type}), true
                FROM unnest(_created_records, _created_ids) AS made (record, lead_id)\
</%def>\
CREATE OR REPLACE FUNCTION pg_temp.lead_import_apply_batch(
    _import bigint, _first bigint, _end bigint
) RETURNS void
LANGUAGE plpgsql
${part("one_by_one")}
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
        l.${table.id},
        l.ctid,
        (${table.differs()}),
        count(*) OVER (PARTITION BY s.record)
    FROM lead_import_stage AS s
    CROSS JOIN LATERAL (
        SELECT l.*, l.ctid
        FROM ${table.name} AS l
        WHERE ${is_lead}
        OFFSET 0
    ) AS l
    WHERE s.record >= _first AND s.record < _end
    ORDER BY s.record, ${table.oldest_first};

    -- If the table refuses a row, say so without the row: its text would stand in the server's log.
    BEGIN
        -- step: add leads
        -- A plain INSERT: its rows come back in the order of the records. Not a bare column in NOT
        -- IN: from Postgres 19 on the planner would make a join of it, each record with each.
        WITH added AS (
            INSERT INTO ${table.name} AS l (
                ${(",\n            ").join(name for name, _ in values)}
            )
            SELECT
                ${(",\n            ").join(value for _, value in values)}
            FROM lead_import_stage AS s
            WHERE s.record >= _first AND s.record < _end
                AND s.record NOT IN (SELECT record + 0 FROM lead_import_place)
            ORDER BY s.record
            RETURNING l.${table.id} AS id, l.xmin AS written_by
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
                (${table.differs()}) AS differs
            FROM (SELECT * FROM lead_import_place WHERE differs ORDER BY lead_id) AS p
            JOIN lead_import_stage AS s ON s.record = p.record
            CROSS JOIN LATERAL (
                SELECT
                    l.${table.id} AS _lead_id,
                    ARRAY[
                        ${(",\n                    ").join(old)}
                    ]::text[] AS _old_values,
                    CAST(CAST(l.xmin AS text) AS bigint) AS _seen_by,
                    ${(",\n                ").join(columns)}
                FROM ${table.name} AS l
                WHERE l.${table.id} = p.lead_id
                    AND (
                        l.ctid = p.seen
                        OR ${is_lead}
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
% if table.keys:
        -- Leave out a unique column unless it changes: naming it takes a stronger lock.
        _updated := 0;
% if others:
${update_leads(others)}
            AND NOT (${table.differs(table.keys)});
        GET DIAGNOSTICS _updated = ROW_COUNT;
% endif
        IF _updated < _changed THEN
            -- step: update keys
        ${update_leads(table.compared)}
            AND (${table.differs(table.keys)});
            GET DIAGNOSTICS _updated_keys = ROW_COUNT;
            _updated := _updated + _updated_keys;
        END IF;
% else:
${update_leads(table.compared)};
        GET DIAGNOSTICS _updated = ROW_COUNT;
% endif

        -- Run deferred triggers and checks now, to see what they do.
        SET CONSTRAINTS ALL IMMEDIATE;

        -- step: look at triggers
        -- If a trigger could have changed a row, compare what was written with what was asked.
        _has_triggers := EXISTS (
            SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = ${table.regclass} AND tgtype & 3 = 3 AND tgenabled <> 'D'
        );
        IF _has_triggers THEN
            SELECT count(*) INTO _changed_by_triggers
            FROM (
                ${written_leads()}
            ) AS w
            JOIN lead_import_stage AS s ON s.record = w.record
            JOIN ${table.name} AS l ON l.${table.id} = w.lead_id
            -- A blank may clear an existing lead's column. A new lead may have a value there.
            WHERE NOT w.is_new AND (${table.differs()})
                OR w.is_new AND (${table.keeping_blanks.differs(table.columns)}
% if table.created_at:
            OR l.${table.created_at.name} IS DISTINCT FROM ${table.created_at.of("s.created_at")}
% endif
                );
            IF _changed_by_triggers > 0 THEN
                RAISE EXCEPTION '% leads are not as they were written', _changed_by_triggers
                USING ERRCODE = 'LI006';
            END IF;
        END IF;
% if table.leads.only:
        -- No later import would find a lead that is none, and each would add it once more.
        IF ${"_has_triggers" if foreseen(table).knows_only else "true"} AND EXISTS (
            SELECT FROM (
                ${written_leads()}
            ) AS w
            -- Apart from w, or a column of the same name would be ambiguous.
            WHERE (
                SELECT (${table.only}) IS NOT TRUE
                FROM ${table.name} AS l
                WHERE l.${table.id} = w.lead_id
            )
        ) THEN
            RAISE EXCEPTION 'a lead would be none' USING ERRCODE = 'LI008';
        END IF;
% endif
    ${part("exception_for_a_row", 4)}
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
        ${table.regclass}, _created, _updated, 0, _written_before, _held_before
    );
END
$batch$
