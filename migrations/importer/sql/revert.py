"""Every statement of an import's way back, in the order in which they run.

An updated lead gets each column back that still holds what the import wrote into it: the record's
value, which the before-image shows to have been another one. What people have put there since
stays, and so does a value whose old one the table has no room for any more, as when another lead
has the number now.

A lead that the import created goes only where that was asked for, only if nothing about it has
changed, and only if no row of any table refers to it.
"""

from migrations.importer.errors import OVERTAKEN, UPDATED_TWICE
from migrations.importer.record import COLUMNS
from migrations.importer.sql.apply import (
    IMPORT_ID,
    LOOK_AT_WRITES,
    ONE_BY_ONE,
    each,
    stop_if_anything_else_was_written,
)

__all__ = [
    "CREATE_REVERT_BATCH",
    "DROP_TEMPORARY_TABLES",
    "FIND_MADE",
    "REFERRERS",
    "REVERT_BATCH",
    "TEMPORARY_TABLES",
]

TEMPORARY_TABLES = (
    # Leads that the import created and has not updated since, where they are to be removed; edited:
    # by anybody.
    "CREATE TEMPORARY TABLE lead_revert_made (lead_id bigint PRIMARY KEY, edited boolean NOT NULL)",
    # Updated leads as they will be; kept: something stays that is not what it was before the
    # import.
    f"""
    CREATE TEMPORARY TABLE lead_revert_restore (
        lead_id bigint PRIMARY KEY,
        {each("{c} text")},
        updated_at timestamptz,
        kept boolean NOT NULL
    ) ON COMMIT DELETE ROWS
    """,
    # Created leads that nobody has touched: referenced ones stay, the others are removed.
    """
    CREATE TEMPORARY TABLE lead_revert_remove (
        record integer NOT NULL,
        lead_id bigint PRIMARY KEY,
        referenced boolean NOT NULL DEFAULT false,
        removed boolean NOT NULL DEFAULT false
    ) ON COMMIT DELETE ROWS
    """,
)
DROP_TEMPORARY_TABLES = """
    DROP TABLE IF EXISTS pg_temp.lead_revert_made, pg_temp.lead_revert_restore, pg_temp.lead_revert_remove
"""

# Updated leads.

_UPDATED_LEADS = """
    FROM lead_before_images AS i
    JOIN lead_import_stage AS s ON s.record = i.record
    JOIN leads AS l ON l.id = i.lead_id
    WHERE i.import_id = _import AND i.record >= _from AND i.record < _to
""".strip()
_OLD_VALUES = each(
    "CASE WHEN s.{c} IS NOT NULL AND l.{c} = s.{c} THEN i.{c} ELSE l.{c} END", between=",\n        "
)
_EDITED_SINCE = each(
    "l.{c} IS DISTINCT FROM i.{c} AND (s.{c} IS NULL OR l.{c} IS DISTINCT FROM s.{c})",
    between="\n        OR ",
)
_RESTORED = (*COLUMNS, "updated_at")

# Created leads, where they are to be removed.

# The last clause: columns that no import knows hold nothing but what the server puts there by
# itself.
_UNTOUCHED = f"""
    {each("l.{c} = coalesce(s.{c}, '')", between=" AND ")}
    AND l.created_at = s.created_at AND l.updated_at = s.created_at AND l.duplicate_of IS NULL
    AND jsonb_strip_nulls(
        to_jsonb(l) - ARRAY[{each("'{c}'")}, 'created_at', 'updated_at', 'duplicate_of']
        - ARRAY(
            SELECT attname::text FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('leads') AND (atthasdef OR attidentity <> '' OR attname = 'id')
        )
    ) = '{{}}'
"""

_REMOVED = "(SELECT count(*) FROM lead_revert_remove WHERE removed)"

# Each foreign key to leads, whatever it does when a lead goes: the table and how its rows match.
# Those of partitions are left out: a query of the partitioned table sees their rows.
REFERRERS = """
    SELECT
        conrelid::regclass::text AS name,
        string_agg(format('c.%I = l.%I', c.attname, l.attname), ' AND ') AS matches
    FROM pg_catalog.pg_constraint
    CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (referring, referred)
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = conrelid AND c.attnum = referring
    JOIN pg_catalog.pg_attribute AS l ON l.attrelid = confrelid AND l.attnum = referred
    WHERE contype = 'f' AND confrelid = to_regclass('leads') AND conparentid = 0
    GROUP BY pg_constraint.oid, conrelid
    UNION
    SELECT 'leads', 'c.duplicate_of = l.id'
"""

# Columns with a default may have been edited without a trace in the lead; but an import's own
# writes are not audited. Of every import of the revision: the leads of an earlier one, taken back
# without them, are there still.
FIND_MADE = f"""
    INSERT INTO lead_revert_made (lead_id, edited)
    SELECT lead_id, EXISTS (SELECT FROM lead_audit AS a WHERE a.lead_id = made.lead_id)
    FROM (
        SELECT unnest(b.created_ids) AS lead_id
        FROM lead_imports AS i
        JOIN lead_import_batches AS b ON b.import_id = i.id
        WHERE i.revision = :revision
        EXCEPT
        SELECT lead_id FROM lead_before_images WHERE import_id = {IMPORT_ID}
    ) AS made
"""

# A batch: one call.

CREATE_REVERT_BATCH = f"""
CREATE OR REPLACE FUNCTION pg_temp.lead_import_revert_batch(
    _import bigint, _here bigint, _next bigint, _remove_created boolean
) RETURNS void
LANGUAGE plpgsql {ONE_BY_ONE} AS $batch$
DECLARE
    _from bigint;
    _to bigint;
    _images bigint;
    _lead bigint;
    _name text;
    _referrer record;
    _written_before jsonb;
    _wrong text;
BEGIN
    {LOOK_AT_WRITES}

    -- In a dry run no commit has emptied them.
    IF EXISTS (SELECT FROM lead_revert_restore) OR EXISTS (SELECT FROM lead_revert_remove) THEN
        TRUNCATE lead_revert_restore, lead_revert_remove;
    END IF;
    -- What a constraint has against an old value shows at once, not at the commit.
    SET CONSTRAINTS ALL IMMEDIATE;

    -- A compare-and-swap: of two processes that are at the same batch, one moves on.
    UPDATE lead_imports SET revert_next_record = _next, remove_created = _remove_created
    WHERE id = _import AND reverted_at IS NULL AND revert_next_record = _here;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the checkpoint has moved' USING ERRCODE = '{OVERTAKEN}';
    END IF;

    -- From the last record to the first: a lead that two of them have updated is taken back twice, one by one.
    SELECT records - _next, records - _here INTO _from, _to FROM lead_imports WHERE id = _import;
    IF EXISTS (
        SELECT FROM lead_before_images
        WHERE import_id = _import AND record >= _from AND record < _to
        GROUP BY lead_id
        HAVING count(*) > 1
    ) THEN
        RAISE EXCEPTION 'a lead was updated twice' USING ERRCODE = '{UPDATED_TWICE}';
    END IF;

    -- Updated leads.
    PERFORM l.id
    {_UPDATED_LEADS}
    ORDER BY l.id
    FOR NO KEY UPDATE OF l;
    GET DIAGNOSTICS _images = ROW_COUNT;

    INSERT INTO lead_revert_restore (lead_id, {", ".join(COLUMNS)}, updated_at, kept)
    SELECT
        l.id,
        {_OLD_VALUES},
        CASE WHEN l.updated_at = i.imported_at THEN i.updated_at ELSE l.updated_at END,
        {_EDITED_SINCE}
    {_UPDATED_LEADS};

    -- All at once; where a constraint is in the way of one value, lead by lead and column by column, so
    -- that this one alone stays.
    BEGIN
        UPDATE leads AS l
        SET {each("{c} = r.{c}", _RESTORED)}
        FROM lead_revert_restore AS r
        WHERE l.id = r.lead_id
            AND ROW({each("l.{c}", _RESTORED)}) IS DISTINCT FROM ROW({each("r.{c}", _RESTORED)});
    EXCEPTION WHEN integrity_constraint_violation THEN
        FOR _lead IN SELECT lead_id FROM lead_revert_restore ORDER BY lead_id LOOP
            FOREACH _name IN ARRAY ARRAY[{each("'{c}'", _RESTORED)}] LOOP
                BEGIN
                    EXECUTE format(
                        'UPDATE leads AS l SET %1$I = r.%1$I FROM lead_revert_restore AS r '
                        'WHERE r.lead_id = $1 AND l.id = $1 AND l.%1$I IS DISTINCT FROM '
                        'r.%1$I', _name)
                    USING _lead;
                EXCEPTION WHEN integrity_constraint_violation THEN
                    UPDATE lead_revert_restore SET kept = true WHERE lead_id = _lead;
                END;
            END LOOP;
        END LOOP;
    END;

    -- Created leads.
    IF _remove_created THEN
        INSERT INTO lead_revert_remove (record, lead_id)
        SELECT s.record, l.id
        FROM lead_import_stage AS s
        CROSS JOIN LATERAL (
            SELECT *
            FROM leads
            WHERE lead_phone_key_v1(phone) = s.phone_key AND duplicate_of IS NULL
            LIMIT 1
        ) AS l
        JOIN lead_revert_made AS made ON made.lead_id = l.id AND NOT made.edited
        WHERE s.record >= _from AND s.record < _to AND {_UNTOUCHED};

        -- FOR UPDATE: from here on nobody can add a row that refers to one of them.
        PERFORM id
        FROM leads
        WHERE id = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove))
        ORDER BY id
        FOR UPDATE;

        DELETE FROM lead_revert_remove AS r
        WHERE NOT EXISTS (
            SELECT FROM leads AS l
            JOIN lead_import_stage AS s ON s.record = r.record
            WHERE l.id = r.lead_id AND {_UNTOUCHED}
        );

        FOR _referrer IN {REFERRERS} LOOP
            -- Not EXISTS, which the planner may turn around: it would read all that refers to any lead.
            EXECUTE format(
                'UPDATE lead_revert_remove AS r SET referenced = true WHERE NOT r.referenced '
                'AND (SELECT true FROM leads AS l JOIN %s AS c ON %s WHERE l.id = r.lead_id '
                'LIMIT 1)',
                _referrer.name, _referrer.matches);
        END LOOP;

        WITH gone AS (
            DELETE FROM leads
            WHERE id = ANY (ARRAY(SELECT lead_id FROM lead_revert_remove WHERE NOT referenced))
            RETURNING id
        )
        UPDATE lead_revert_remove SET removed = true
        FROM gone
        WHERE lead_id = gone.id;
    END IF;

    -- The ledger. Created leads that are still there at the end: what refers to them is counted, the rest was edited.
    UPDATE lead_imports
    SET restored = restored + _images - (SELECT count(*) FROM lead_revert_restore WHERE kept),
        kept = kept + (SELECT count(*) FROM lead_revert_restore WHERE kept) + CASE
            WHEN _next = records AND _remove_created THEN (
                SELECT count(*)
                FROM lead_revert_made AS made
                JOIN leads AS l ON l.id = made.lead_id
            ) - referenced - (SELECT count(*) FROM lead_revert_remove WHERE referenced)
            ELSE 0
        END,
        removed = removed + {_REMOVED},
        referenced = referenced + (SELECT count(*) FROM lead_revert_remove WHERE referenced),
        reverted_at = CASE WHEN _next = records THEN clock_timestamp() END
    WHERE id = _import;

    -- Nothing else was written, and no other lead removed.
    {stop_if_anything_else_was_written(f"(inserted, deleted) = (0, {_REMOVED})")}
END
$batch$
"""

REVERT_BATCH = (
    f"SELECT pg_temp.lead_import_revert_batch({IMPORT_ID}, :here, :next, :remove_created)"
)
