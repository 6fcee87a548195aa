<%
    def named(identifier):
        """An identifier as a text."""
        return literal(unescaped(identifier))

    def old(column):
        text = f"i.old_values[{column.position}]"
        if not column.restored_as and column.longest:
            is_too_long = f"char_length({text}) > {column.longest}"
            return f"CASE WHEN {is_too_long} THEN l.{column.name} ELSE {text} END"
        if not column.restored_as:
            return text
        today = f"CAST(i._today[{column.position}] AS {column.found.type})"
        stays = f"CASE WHEN {text} IS NOT NULL THEN l.{column.name} END"
        return f"coalesce(\n                {today},\n                {stays}\n            )"

    def changes(name):
        """Whether restoring changes a column, by its text: a citext takes no notice of capitals."""
        return f'CAST(l.{name} AS text) COLLATE "C" IS DISTINCT FROM CAST(r.{name} AS text)'

    def wrote(column):
        keeps = table.keeps_blanks and column.part is None
        return column.compared(column.staged if keeps else column.cleared)

    def was_written(column):
        """Whether the record has a value, and it still converts. Otherwise the lead's stays."""
        if table.keeps_blanks:
            value = column.staged if column.part is None else column.raw
            return f"{value} IS NOT NULL AND "
        return f"{column.converts} AND " if column.converts else ""

    def edited(columns):
        """Whether a created lead holds something else than its record gives, in one field."""
        differs = "\n                OR ".join(
            f"{column.compared(f'l.{column.name}')} IS DISTINCT FROM {column.compared(column.for_new)}"
            for column in columns
        )
        if columns[0].found.may_be_filled:  # by a trigger, where the record is blank
            differs = table.keeping_blanks.differs(tuple(columns))
        converts = columns[0].converts
        return f"({differs})\n                AND {converts}" if converts else differs

    def is_version(version, indent):
        """Whether the lead's row is that version, or a revert made it equal to that again."""
        lines = (
            "(",
            f"    l.xmin = CAST(CAST({version} AS text) AS xid)",
            "    OR EXISTS (",
            "        SELECT FROM lead_revert_same AS v",
            f"        WHERE v.lead_id = CAST(l.{table.id} AS text)",
            "            AND v.version = CAST(CAST(l.xmin AS text) AS bigint)",
            f"            AND v.was = {version}",
            "    )",
            ")",
        )
        return f"\n{indent}".join(lines)

    restored = [column.name for column in table.compared]
    restored += [table.touch.name] if table.touch else []
    literals = ",\n                ".join(map(named, restored))
    bare = ",\n                ".join(literal(column.bare) for column in table.compared)

    def before(column):
        """The text of what it was before the import, as its type of today writes it."""
        text = f"i.old_values[{column.position}]"
        return f"coalesce(i._today[{column.position}], {text})" if column.restored_as else text

    images = [(f"CAST(l.{column.name} AS text)", before(column)) for column in table.compared]
%>\
<%def name="updated_leads()">\
    FROM lead_before_images AS i
    JOIN lead_import_stage AS s ON s.record = i.record
    JOIN ${table.name} AS l ON l.${table.id} = CAST(i.lead_id AS ${table.id_type})
    WHERE i.import_id = _import AND i.record >= _from AND i.record < _to\
</%def>\
<%def name="untouched()">\
NOT (${("\n            OR ").join(map(edited, table.by_field(table.columns)))})
% if table.created_at:
            AND l.${table.created_at.name} = ${table.created_at.of("s.created_at")}
% endif
            AND ${is_version("m.written_by", " " * 12)}\
</%def>\
<%def name="remove(leads, indent)">\
<% at = " " * indent %>\
WITH gone AS (
${at}    DELETE FROM ${table.name}
${at}    WHERE ${table.id} = ${leads}
${at}    RETURNING ${table.id} AS id
${at})
${at}UPDATE lead_revert_remove SET removed = true
${at}FROM gone
${at}WHERE lead_id = gone.id;\
</%def>\
<%def name="deleted()">\
pg_stat_get_xact_tuples_deleted(${table.regclass})\
</%def>\
CREATE OR REPLACE FUNCTION pg_temp.lead_import_revert_batch(
    _import bigint, _first bigint, _end bigint, _remove_created boolean
) RETURNS void
LANGUAGE plpgsql
${part("one_by_one")}
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
    _lead ${table.id_type};
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
    PERFORM l.${table.id}
${updated_leads()}
    ORDER BY l.${table.id}
    FOR NO KEY UPDATE OF l;
    GET DIAGNOSTICS _images = ROW_COUNT;

    -- step: find old values
    -- Give a lead's column its old value back if it still holds what the import wrote. People's
    -- later edits stay.
    INSERT INTO lead_revert_restore (
        ${(",\n        ").join(["_lead_id", *restored, "_record", "_ours", "_kept"])}
    )
    SELECT
        l.${table.id},
% for column in table.compared:
        CASE
            WHEN ${was_written(column)}${column.compared("l." + column.name)}
                IS NOT DISTINCT FROM ${wrote(column)}
            THEN ${old(column)}
            ELSE l.${column.name}
        END,
% endfor
% if table.touch:
        CASE
            WHEN l.${table.touch.name} = ${table.touch.of("i.imported_at")}
            THEN CAST(i.old_values[${table.touch_position}] AS ${table.touch.found.base})
            ELSE l.${table.touch.name}
        END,
% endif
        i.record,
        EXISTS (SELECT FROM lead_revert_ours AS o WHERE o.version = i.seen_by)
            AND ${is_version("i._written_by", " " * 12)},
        false
    FROM (
        SELECT
            i.*,
            ${table.as_today("i.old_values")} AS _today,
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
    JOIN ${table.name} AS l ON l.${table.id} = CAST(i.lead_id AS ${table.id_type});

    -- step: leave referred values
    -- A row of another table refers to a lead by a value. Its foreign key would pass the old one on,
    -- or forbid it.
    FOR _referrer IN
${referrers}
    LOOP
        FOR _name IN
            SELECT referred
            FROM unnest(_referrer.columns) AS referred
            WHERE _referrer.is_enforced AND _referrer.may_look AND referred IN (
                ${bare}
            )
        LOOP
            EXECUTE format(
                'UPDATE lead_revert_restore AS r SET %1$I = l.%1$I FROM %2$s AS l JOIN %3$s AS c '
                'ON %4$s WHERE l.%5$s = r._lead_id',
                _name, ${table.regclass}, _referrer.name, _referrer.matches, ${named(table.id)});
        END LOOP;
    END LOOP;

    -- step: restore leads
    -- All at once. If a constraint refuses one value, go lead by lead and column by column: this
    -- one alone stays.
    BEGIN
        UPDATE ${table.name} AS l
        SET
            ${(",\n            ").join(f"{name} = r.{name}" for name in restored)}
        FROM lead_revert_restore AS r
        WHERE l.${table.id} = r._lead_id
            AND (
                ${("\n                OR ").join(map(changes, restored))}
            );
        GET DIAGNOSTICS _rewritten = ROW_COUNT;
    ${part("exception_for_a_row", 4)}
        _rewritten := NULL;  -- The server's counters keep what was rolled back.
        FOR _lead IN SELECT _lead_id FROM lead_revert_restore ORDER BY _lead_id LOOP
            FOREACH _name IN ARRAY ARRAY[
                ${literals}
            ] LOOP
                BEGIN
                    EXECUTE format(
                        'UPDATE %1$s AS l SET %3$s = r.%3$s FROM lead_revert_restore AS r '
                        'WHERE r._lead_id = $1 AND l.%2$s = $1 '
                        'AND ${changes("%3$s")}',
                        ${table.regclass}, ${named(table.id)}, _name)
                    USING _lead;
                ${part("exception_for_a_row", 16)}
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
            ${table.as_today("i.old_values")} AS _today
        FROM lead_before_images AS i
        WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
    ) AS i
    JOIN ${table.name} AS l ON l.${table.id} = CAST(i.lead_id AS ${table.id_type})
    WHERE r._lead_id = l.${table.id}
        AND (
            ${("\n            OR ").join(f"{now} IS DISTINCT FROM {then}" for now, then in images)}
        );
    SELECT count(*) FILTER (WHERE r._kept) INTO _kept FROM lead_revert_restore AS r;

    -- step: tell restored leads
    -- If a lead is as an earlier import left it, and only imports have written it since, people
    -- have not edited it. The import that created it may remove it.
    UPDATE lead_before_images AS i
    SET restored_by = (
        SELECT CAST(CAST(l.xmin AS text) AS bigint)
        FROM ${table.name} AS l
        WHERE l.${table.id} = CAST(i.lead_id AS ${table.id_type})
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
        SELECT m.record, l.${table.id}
        FROM lead_revert_made AS m
        JOIN lead_import_stage AS s ON s.record = m.record
        JOIN ${table.name} AS l ON l.${table.id} = CAST(m.lead_id AS ${table.id_type})
        WHERE m.record >= _from AND m.record < _to
            AND ${untouched()};

        -- step: lock created leads
        -- FOR UPDATE: from here on nobody can add a row referring to one of them.
        PERFORM ${table.id}
        FROM ${table.name}
        WHERE ${table.id} = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove))
        ORDER BY ${table.id}
        FOR UPDATE;

        -- step: look at created leads again
        -- Not NOT EXISTS: the planner might turn it around and look the lead up by its time.
        DELETE FROM lead_revert_remove AS r
        WHERE (
            SELECT true FROM lead_revert_made AS m
            JOIN lead_import_stage AS s ON s.record = m.record
            JOIN ${table.name} AS l ON l.${table.id} = r.lead_id
            WHERE m.lead_id = CAST(r.lead_id AS text)
            AND ${untouched()}
            LIMIT 1
        ) IS NULL;

        -- step: find referring rows
        FOR _referrer IN
${referrers}
        LOOP
            -- Not EXISTS: the planner might turn it around and read all references to any lead.
            EXECUTE format(
                'UPDATE lead_revert_remove AS r SET referenced = true WHERE NOT r.referenced '
                'AND (SELECT true FROM %s AS l JOIN %s AS c ON %s WHERE l.%s = r.lead_id LIMIT 1)',
                ${table.regclass}, _referrer.name, _referrer.matches, ${named(table.id)});
        END LOOP;

        -- step: remove created leads
        -- All at once. If a trigger or a rule of the table refuses one, go lead by lead: this one
        -- stays. The server's counters keep what was rolled back.
        _deleted := ${deleted()};
        BEGIN
            ${remove("ANY (ARRAY(SELECT lead_id FROM lead_revert_remove WHERE NOT referenced))", 12)}
        ${part("exception_for_a_row", 8)}
            _undone := ${deleted()} - _deleted;
            FOR _lead IN
                SELECT lead_id FROM lead_revert_remove WHERE NOT referenced ORDER BY lead_id
            LOOP
                _deleted := ${deleted()};
                BEGIN
                    ${remove("_lead", 20)}
                ${part("exception_for_a_row", 16)}
                    _undone := _undone + ${deleted()} - _deleted;
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
                JOIN ${table.name} AS l ON l.${table.id} = CAST(m.lead_id AS ${table.id_type})
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
        ${table.regclass}, 0, _rewritten, _removed + _undone, _written_before, _held_before
    );
END
$batch$
