"""Every statement of an import, in the order in which they run; ``revert.py`` has its way back.

An upgrade, a dry run and ``--sql`` share them. Values reach the server by COPY alone; what stands
after a colon is a position or the revision's name. The export is staged whole, in temporary tables
that live as long as the connection; each batch is one call of a temporary function, which takes its
records from there: the server plans its statements once, and nothing waits for the network between
them.

A lead and a record belong together where their phones have one key (``phone.py``). A blank of a
record is staged as NULL where it keeps the lead's value, and as it is where it clears it.
"""

from migrations.importer.errors import OVERTAKEN, WITHOUT_LEAD, WROTE_ELSEWHERE
from migrations.importer.record import COLUMNS

__all__ = [
    "APPLY_BATCH",
    "CREATE_APPLY_BATCH",
    "DROP_TEMPORARY_TABLES",
    "FOLD",
    "IMPORT_ID",
    "LEDGER_TABLES",
    "LOOK_AT_WRITES",
    "ONE_BY_ONE",
    "PLAN_ANEW",
    "SET_ASIDE",
    "SKIP_AUDIT",
    "STAGE",
    "TEMPORARY_TABLES",
    "WITHOUT_KEY",
    "WRITTEN_TABLES",
    "each",
    "stop_if_anything_else_was_written",
]

LEDGER_TABLES = ("lead_imports", "lead_import_batches", "lead_before_images", "lead_import_rejects")
WRITTEN_TABLES = ("leads", *LEDGER_TABLES)


def each(template: str, columns: tuple[str, ...] = COLUMNS, between: str = ", ") -> str:
    return between.join(template.format(c=column) for column in columns)


IMPORT_ID = "(SELECT id FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL)"

# The whole export, before the first batch.

STAGE = f"lead_import_stage (record, {', '.join(COLUMNS)}, created_at)"
SET_ASIDE = "lead_import_set_aside (record, field, reason)"

TEMPORARY_TABLES = (
    f"""
    CREATE TEMPORARY TABLE lead_import_stage (
        record integer PRIMARY KEY,
        {each("{c} text")},
        created_at timestamptz NOT NULL,
        phone_key text GENERATED ALWAYS AS (lead_phone_key_v1(phone)) STORED
    )
    """,
    # What is wrong with records that are set aside: positions, names and reasons, nothing that a
    # record holds.
    """
    CREATE TEMPORARY TABLE lead_import_set_aside (
        record integer NOT NULL,
        field text NOT NULL,
        reason text NOT NULL
    )
    """,
    "CREATE INDEX lead_import_set_aside_record ON pg_temp.lead_import_set_aside (record)",
    # Records of one phone, with the last of them.
    """
    CREATE TEMPORARY TABLE lead_import_repeats (
        record integer NOT NULL,
        last_record integer NOT NULL
    )
    """,
    # The leads that a batch has found: the lead as it was seen, and whether the record changes it.
    """
    CREATE TEMPORARY TABLE lead_import_place (
        record integer NOT NULL,
        lead_id bigint NOT NULL,
        seen tid NOT NULL,
        differs boolean NOT NULL
    ) ON COMMIT DELETE ROWS
    """,
)

# They hang on the phone key's function, which a downgrade may drop next.
DROP_TEMPORARY_TABLES = """
    DROP TABLE IF EXISTS
        pg_temp.lead_import_stage, pg_temp.lead_import_set_aside, pg_temp.lead_import_repeats, pg_temp.lead_import_place
"""

WITHOUT_KEY = "SELECT record FROM lead_import_stage WHERE phone_key IS NULL ORDER BY record"

# Records of one phone become the last of them, with the earlier ones' values where it is blank,
# as if they had been imported one by one.
FOLD = (
    """
    INSERT INTO lead_import_repeats (record, last_record)
    SELECT s.record, same.last_record
    FROM lead_import_stage AS s
    JOIN (
        SELECT phone_key, max(record) AS last_record
        FROM lead_import_stage
        GROUP BY phone_key
        HAVING count(*) > 1
    ) AS same ON same.phone_key = s.phone_key
    """,
    f"""
    UPDATE lead_import_stage AS s
    SET {each("{c} = folded.{c}")}, created_at = folded.created_at
    FROM (
        SELECT
            r.last_record,
            (array_agg(created_at ORDER BY record))[1] AS created_at,
            {each("(array_agg({c} ORDER BY record DESC) FILTER (WHERE {c} IS NOT NULL))[1] AS {c}")}
        FROM lead_import_repeats AS r
        JOIN lead_import_stage USING (record)
        GROUP BY r.last_record
    ) AS folded
    WHERE s.record = folded.last_record
    """,
    """
    DELETE FROM lead_import_stage AS s
    USING lead_import_repeats AS r
    WHERE s.record = r.record AND r.record < r.last_record
    """,
)

# A batch: one call.

# It is an import's own transaction, and says so to the audit trigger.
SKIP_AUDIT = "SET LOCAL app.skip_audit = 'on'"

# A batch's few records meet their leads one by one, through indexes, whatever the server believes
# of their numbers: it knows nothing of temporary tables. By LATERAL and LIMIT it cannot begin with
# the leads. (Not enable_seqscan: until Postgres 17 that blinds the planner where a sequential scan
# is the only way, as for a temporary table.)
ONE_BY_ONE = " ".join(
    f"SET {other_way} = off"
    for other_way in (
        "enable_bitmapscan",
        "enable_hashjoin",
        "enable_mergejoin",
        "enable_material",
        "jit",
    )
)
# Plans are kept; they are made anew as the table grows, each time that it may have doubled.
PLAN_ANEW = "DISCARD PLANS"

# What a record changes in a lead that has its phone.
_DIFFERS = (
    "("
    + each("s.{c} IS NOT NULL AND l.{c} IS DISTINCT FROM s.{c}", between="\n            OR ")
    + ")"
)
_NEW_VALUE = "{c} = CASE WHEN s.{c} IS NULL THEN l.{c} ELSE s.{c} END"
_NUMBER_CHANGES = "s.lead_number IS NOT NULL AND l.lead_number IS DISTINCT FROM s.lead_number"


def _update_leads(*, number_changes: bool) -> str:
    columns = COLUMNS if number_changes else tuple(c for c in COLUMNS if c != "lead_number")
    return f"""
    UPDATE leads AS l
    SET {each(_NEW_VALUE, columns)}, updated_at = now()
    FROM lead_import_place AS p
    JOIN lead_import_stage AS s ON s.record = p.record
    WHERE l.id = p.lead_id AND p.differs AND {_DIFFERS}
        AND {"" if number_changes else "NOT "}({_NUMBER_CHANGES});
    """


# The proof of a batch: the server's counters of this session's own writes, at its start and at its
# end. Traffic beside it does not show; what a trigger writes does.
LOOK_AT_WRITES = """
    SELECT coalesce(jsonb_object_agg(relid::text, ARRAY[n_tup_ins, n_tup_upd, n_tup_del]), '{}')
    INTO _written_before
    FROM pg_catalog.pg_stat_xact_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0;
""".strip()


def stop_if_anything_else_was_written(leads: str) -> str:
    """Statements of a function that fail where it has written anything but its own leads and the
    ledger.

    leads: what must hold of the numbers of leads that were ``inserted``, ``updated`` and
    ``deleted``, as SQL.
    """
    return f"""
    -- What is deferred happens now, so that it is seen.
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT string_agg(format('%s (%s inserted, %s updated, %s '
                             'deleted)', name, inserted, updated, deleted), ', ')
    INTO _wrong
    FROM (
        SELECT
            relid,
            relid::regclass AS name,
            n_tup_ins - coalesce((_written_before -> relid::text ->> 0)::bigint, 0) AS inserted,
            n_tup_upd - coalesce((_written_before -> relid::text ->> 1)::bigint, 0) AS updated,
            n_tup_del - coalesce((_written_before -> relid::text ->> 2)::bigint, 0) AS deleted
        FROM pg_catalog.pg_stat_xact_user_tables
        WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
    ) AS written
    WHERE relid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')
        AND NOT CASE
            WHEN relid = 'leads'::regclass THEN {leads}
            WHEN relid IN ({", ".join(f"'{table}'::regclass" for table in LEDGER_TABLES)}) THEN deleted = 0
            ELSE inserted + updated + deleted = 0
        END;
    IF _wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the import would have written '
                        '%', _wrong USING ERRCODE = '{WROTE_ELSEWHERE}';
    END IF;
    """.strip()


CREATE_APPLY_BATCH = f"""
CREATE OR REPLACE FUNCTION pg_temp.lead_import_apply_batch(_import bigint, _here bigint, _next bigint) RETURNS void
LANGUAGE plpgsql {ONE_BY_ONE} AS $batch$
DECLARE
    _staged bigint;
    _found bigint;
    _differing bigint;
    _added bigint[];
    _locked bigint;
    _changed bigint;
    _updated bigint;
    _renumbered bigint;
    _rejected bigint;
    _written_before jsonb;
    _wrong text;
BEGIN
    {LOOK_AT_WRITES}

    -- In a dry run no commit has emptied it.
    IF EXISTS (SELECT FROM lead_import_place) THEN
        TRUNCATE lead_import_place;
    END IF;

    -- A compare-and-swap: of two processes that are at the same batch, one moves on.
    UPDATE lead_imports SET next_record = _next
    WHERE id = _import AND reverted_at IS NULL AND next_record = _here;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the checkpoint has moved' USING ERRCODE = '{OVERTAKEN}';
    END IF;

    -- The leads that are there.
    INSERT INTO lead_import_place (record, lead_id, seen, differs)
    SELECT s.record, l.id, l.seen, {_DIFFERS}
    FROM lead_import_stage AS s
    CROSS JOIN LATERAL (
        SELECT id, ctid AS seen, {", ".join(COLUMNS)}
        FROM leads
        WHERE lead_phone_key_v1(phone) = s.phone_key AND duplicate_of IS NULL
        LIMIT 1
    ) AS l
    WHERE s.record >= _here AND s.record < _next;

    -- A plain INSERT: should the site add one of these phones at this very moment, the batch begins again.
    WITH added AS (
        INSERT INTO leads ({", ".join(COLUMNS)}, created_at, updated_at)
        SELECT {each("coalesce(s.{c}, '')")}, s.created_at, s.created_at
        FROM lead_import_stage AS s
        WHERE s.record >= _here AND s.record < _next
            AND s.record NOT IN (SELECT record FROM lead_import_place)
        ORDER BY s.phone_key
        RETURNING id
    )
    SELECT coalesce(array_agg(id ORDER BY id), '{{}}') INTO _added FROM added;

    -- Locked in one order, so that two of us never wait for each other in a circle; not FOR UPDATE, so that
    -- rows that refer to a lead can be added meanwhile. What is kept is what was locked, the site's last word.
    WITH locked AS MATERIALIZED (
        SELECT s.record, l.*, {_DIFFERS} AS differs
        FROM (SELECT * FROM lead_import_place WHERE differs ORDER BY lead_id) AS p
        JOIN lead_import_stage AS s ON s.record = p.record
        CROSS JOIN LATERAL (
            SELECT id, {", ".join(COLUMNS)}, updated_at
            FROM leads
            WHERE id = p.lead_id
                AND (ctid = p.seen OR lead_phone_key_v1(phone) = s.phone_key AND duplicate_of IS NULL)
            LIMIT 1
            FOR NO KEY UPDATE
        ) AS l
    ),
    kept AS (
        INSERT INTO lead_before_images
            (import_id, record, lead_id, {", ".join(COLUMNS)}, updated_at, imported_at)
        SELECT _import, record, id, {", ".join(COLUMNS)}, updated_at, now()
        FROM locked
        WHERE differs
        RETURNING record
    )
    SELECT (SELECT count(*) FROM locked), (SELECT count(*) FROM kept) INTO _locked, _changed;

    -- A column that may be unique is left out where it stays as it is: naming it takes a stronger lock.
    {_update_leads(number_changes=False).strip()}
    GET DIAGNOSTICS _updated = ROW_COUNT;
    IF _updated < _changed THEN
    {_update_leads(number_changes=True).strip()}
        GET DIAGNOSTICS _renumbered = ROW_COUNT;
        _updated := _updated + _renumbered;
    END IF;

    -- The site may have taken a lead away meanwhile, or given it another phone; a trigger may keep a row out.
    SELECT count(*) INTO _staged FROM lead_import_stage WHERE record >= _here AND record < _next;
    SELECT count(*), count(*) FILTER (WHERE differs) INTO _found, _differing FROM lead_import_place;
    IF _staged <> _found + cardinality(_added) OR _locked <> _differing OR _updated <> _changed THEN
        RAISE EXCEPTION 'a record has no lead' USING ERRCODE = '{WITHOUT_LEAD}';
    END IF;

    -- The ledger.
    INSERT INTO lead_import_rejects (import_id, record, field, reason)
    SELECT DISTINCT _import, record, field, reason
    FROM lead_import_set_aside
    WHERE record >= _here AND record < _next;
    SELECT count(DISTINCT record) INTO _rejected
    FROM lead_import_set_aside
    WHERE record >= _here AND record < _next;
    INSERT INTO lead_import_batches
        (import_id, first_record, next_record, created, updated, unchanged, rejected, folded, created_ids)
    VALUES
        (_import, _here, _next, cardinality(_added), _changed, _staged - cardinality(_added) - _changed,
        _rejected, _next - _here - _staged - _rejected, _added);
    UPDATE lead_imports
    SET created = created + cardinality(_added),
        updated = updated + _changed,
        unchanged = unchanged + _staged - cardinality(_added) - _changed,
        rejected = rejected + _rejected,
        folded = folded + _next - _here - _staged - _rejected,
        finished_at = CASE WHEN _next = records THEN clock_timestamp() END
    WHERE id = _import;

    -- Nothing else was written.
    {
    stop_if_anything_else_was_written(
        "(inserted, updated, deleted) = (cardinality(_added), _updated, 0)"
    )
}
END
$batch$
"""

APPLY_BATCH = f"SELECT pg_temp.lead_import_apply_batch({IMPORT_ID}, :here, :next)"
