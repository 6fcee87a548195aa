"""Every statement of an import, in the order in which they run; ``revert_statements.py`` has its way back.

An upgrade, a dry run and ``--sql`` share them. Values reach the server by COPY alone; what stands
after a colon is a position, a count or the revision's name. The temporary tables live as long as
the connection and are empty whenever a batch begins.

A lead and a record belong together where their phones have one key (``phone.py``). A blank of a
record is staged as NULL where it keeps the lead's value, and as it is where it clears it.
"""

from migrations.importer.errors import WITHOUT_LEAD, WROTE_ELSEWHERE
from migrations.importer.record import COLUMNS

__all__ = [
    "ADD_LEADS",
    "ASSERT_EVERY_RECORD_HAS_ITS_LEAD",
    "ASSERT_ONLY_LEADS_WERE_WRITTEN",
    "DROP_TEMPORARY_TABLES",
    "FIND_REPEATS",
    "FOLD",
    "IMPORT_ID",
    "KEEP_BEFORE_IMAGES",
    "LOCK_LEADS",
    "MATCH",
    "MOVE_CHECKPOINT",
    "PHONES",
    "RECORD_BATCH",
    "SET_ASIDE",
    "SKIP_AUDIT",
    "STAGE",
    "TEMPORARY_TABLES",
    "UPDATE_LEADS",
    "WRITTEN_TABLES",
    "assert_only_leads_were_written",
    "each",
]

WRITTEN_TABLES = ("leads", "lead_imports", "lead_import_batches", "lead_before_images", "lead_import_rejects")


def each(template: str, columns: tuple[str, ...] = COLUMNS, between: str = ", ") -> str:
    return between.join(template.format(c=column) for column in columns)


# What a record changes in a lead that has its phone.
_DIFFERS = "(" + each("s.{c} IS NOT NULL AND l.{c} IS DISTINCT FROM s.{c}", between="\n        OR ") + ")"
_NEW_VALUE = "{c} = CASE WHEN s.{c} IS NULL THEN l.{c} ELSE s.{c} END"
IMPORT_ID = "(SELECT id FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL)"

PHONES = "lead_import_phones (record, phone)"
STAGE = f"lead_import_stage (record, {', '.join(COLUMNS)}, created_at)"

TEMPORARY_TABLES = (
    f"""
    CREATE TEMPORARY TABLE IF NOT EXISTS lead_import_stage (
        record integer NOT NULL,
        {each("{c} text")},
        created_at timestamptz NOT NULL,
        phone_key text GENERATED ALWAYS AS (lead_phone_key_v1(phone)) STORED
    ) ON COMMIT DELETE ROWS
    """,
    # Where each record goes: to a lead that is there (differs: it will be updated), or, without a
    # record, a lead that this batch has added.
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS lead_import_place (
        record integer,
        lead_id bigint NOT NULL,
        differs boolean NOT NULL
    ) ON COMMIT DELETE ROWS
    """,
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS lead_import_phones (
        record integer NOT NULL,
        phone text NOT NULL
    ) ON COMMIT DELETE ROWS
    """,
)

# They hang on the phone key's function, which a downgrade may drop next.
DROP_TEMPORARY_TABLES = "DROP TABLE pg_temp.lead_import_stage, pg_temp.lead_import_place, pg_temp.lead_import_phones"

# Records whose phone comes again in a later record, and records whose phone has no key.
FIND_REPEATS = """
    SELECT record, last_record, phone_key IS NULL AS no_key
    FROM (
        SELECT record, phone_key, max(record) OVER (PARTITION BY phone_key) AS last_record
        FROM (SELECT record, lead_phone_key_v1(phone) AS phone_key FROM lead_import_phones) AS keyed
    ) AS grouped
    WHERE record < last_record OR phone_key IS NULL
    ORDER BY record
"""

SKIP_AUDIT = "SET LOCAL app.skip_audit = 'on'"

# Records of one phone become the last of them, with the earlier ones' values where it is blank,
# as if they had been imported one by one.
FOLD = (
    f"""
    UPDATE lead_import_stage AS s
    SET {each("{c} = folded.{c}")}, created_at = folded.created_at
    FROM (
        SELECT
            max(record) AS record,
            (array_agg(created_at ORDER BY record))[1] AS created_at,
            {each("(array_agg({c} ORDER BY record DESC) FILTER (WHERE {c} IS NOT NULL))[1] AS {c}")}
        FROM lead_import_stage
        GROUP BY phone_key
        HAVING count(*) > 1
    ) AS folded
    WHERE s.record = folded.record
    """,
    """
    DELETE FROM lead_import_stage AS s
    USING lead_import_stage AS later
    WHERE later.phone_key = s.phone_key AND later.record > s.record
    """,
)

# A compare-and-swap: of two processes that are at the same batch, one moves on.
MOVE_CHECKPOINT = """
    UPDATE lead_imports SET next_record = :next
    WHERE revision = :revision AND reverted_at IS NULL AND next_record = :here
"""

# LIMIT keeps the planner from reading the whole table, whatever it believes about its size.
MATCH = f"""
    INSERT INTO lead_import_place (record, lead_id, differs)
    SELECT s.record, l.id, {_DIFFERS}
    FROM lead_import_stage AS s
    CROSS JOIN LATERAL (
        SELECT id, {", ".join(COLUMNS)}
        FROM leads
        WHERE lead_phone_key_v1(phone) = s.phone_key AND duplicate_of IS NULL
        LIMIT 1
    ) AS l
"""

# Plain INSERT: should the site add one of these phones at this very moment, the batch begins again.
ADD_LEADS = f"""
    WITH added AS (
        INSERT INTO leads ({", ".join(COLUMNS)}, created_at, updated_at)
        SELECT {each("coalesce(s.{c}, '')")}, s.created_at, s.created_at
        FROM lead_import_stage AS s
        WHERE NOT EXISTS (SELECT FROM lead_import_place AS p WHERE p.record = s.record)
        ORDER BY s.phone_key
        RETURNING id
    )
    INSERT INTO lead_import_place (record, lead_id, differs)
    SELECT NULL, id, false FROM added
"""

# In one order, so that two of us never wait for each other in a circle; not FOR UPDATE, so that
# rows that refer to a lead can be added meanwhile.
LOCK_LEADS = """
    SELECT l.id
    FROM leads AS l
    WHERE l.id IN (SELECT lead_id FROM lead_import_place WHERE differs)
    ORDER BY l.id
    FOR NO KEY UPDATE
"""

# The site may have taken a lead away, or given it another phone, since MATCH; or have added one.
ASSERT_EVERY_RECORD_HAS_ITS_LEAD = f"""
    DO $$
    BEGIN
        IF (SELECT count(*) FROM lead_import_stage) <> (SELECT count(*) FROM lead_import_place)
            OR EXISTS (
                SELECT FROM lead_import_place AS p
                JOIN lead_import_stage AS s ON s.record = p.record
                LEFT JOIN leads AS l
                    ON l.id = p.lead_id AND l.duplicate_of IS NULL
                    AND lead_phone_key_v1(l.phone) = s.phone_key
                WHERE p.differs AND l.id IS NULL
            )
        THEN
            RAISE EXCEPTION 'a record has no lead' USING ERRCODE = '{WITHOUT_LEAD}';
        END IF;
    END
    $$
"""

KEEP_BEFORE_IMAGES = f"""
    INSERT INTO lead_before_images
        (import_id, record, lead_id, {", ".join(COLUMNS)}, updated_at, imported_at)
    SELECT {IMPORT_ID}, p.record, l.id, {each("l.{c}")}, l.updated_at, now()
    FROM lead_import_place AS p
    JOIN lead_import_stage AS s ON s.record = p.record
    JOIN leads AS l ON l.id = p.lead_id
    WHERE p.differs AND {_DIFFERS}
    ON CONFLICT DO NOTHING
"""


def _update_leads(*, number_changes: bool) -> str:
    columns = COLUMNS if number_changes else tuple(c for c in COLUMNS if c != "lead_number")
    changes = "s.lead_number IS NOT NULL AND l.lead_number IS DISTINCT FROM s.lead_number"
    return f"""
        UPDATE leads AS l
        SET {each(_NEW_VALUE, columns)}, updated_at = now()
        FROM lead_import_place AS p
        JOIN lead_import_stage AS s ON s.record = p.record
        WHERE l.id = p.lead_id AND p.differs AND {_DIFFERS}
            AND {changes if number_changes else f"NOT ({changes})"}
    """


# A column that may be unique is left out where it stays as it is: naming it takes a stronger lock.
UPDATE_LEADS = (_update_leads(number_changes=False), _update_leads(number_changes=True))

# Positions, names and reasons: nothing that a record holds.
SET_ASIDE = f"""
    INSERT INTO lead_import_rejects (import_id, record, field, reason)
    VALUES ({IMPORT_ID}, :record, :field, :reason)
"""

RECORD_BATCH = f"""
    WITH batch AS (
        INSERT INTO lead_import_batches
            (import_id, first_record, next_record, created, updated, unchanged, rejected, folded, created_ids)
        SELECT
            {IMPORT_ID}, :here, :next, added.leads, changed.leads,
            staged.records - added.leads - changed.leads,
            rejected.records, :next - :here - staged.records - rejected.records, added.ids
        FROM
            (SELECT count(*) AS records FROM lead_import_stage) AS staged,
            (
                SELECT count(DISTINCT record) AS records FROM lead_import_rejects
                WHERE import_id = {IMPORT_ID} AND record >= :here AND record < :next
            ) AS rejected,
            (
                SELECT count(*) AS leads, coalesce(array_agg(lead_id ORDER BY lead_id), '{{}}') AS ids
                FROM lead_import_place WHERE record IS NULL
            ) AS added,
            (
                SELECT count(*) AS leads FROM lead_before_images
                WHERE import_id = {IMPORT_ID} AND record >= :here AND record < :next
            ) AS changed
        RETURNING *
    )
    UPDATE lead_imports AS i
    SET created = i.created + batch.created,
        updated = i.updated + batch.updated,
        unchanged = i.unchanged + batch.unchanged,
        rejected = i.rejected + batch.rejected,
        folded = i.folded + batch.folded,
        finished_at = CASE WHEN batch.next_record = i.records THEN clock_timestamp() END
    FROM batch
    WHERE i.id = batch.import_id
"""


def assert_only_leads_were_written(*, deleted: str = "0") -> str:
    """A statement that fails where this session has written anything but leads and the ledger.

    It asks for the session's own writes: traffic beside it does not show, a trigger's writes do.
    deleted: how many leads the session must have deleted, as SQL.
    """
    return f"""
        DO $$
        DECLARE
            wrong text;
        BEGIN
            SELECT string_agg(
                format('%s (%s inserted, %s updated, %s deleted)', relname, n_tup_ins, n_tup_upd, n_tup_del), ', ')
            INTO wrong
            FROM pg_catalog.pg_stat_xact_user_tables
            WHERE relid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence = 't')
                AND relname <> 'alembic_version'
                AND (
                    n_tup_del <> CASE WHEN relid = to_regclass('leads') THEN {deleted} ELSE 0 END
                    OR n_tup_ins + n_tup_upd > 0
                    AND relname NOT IN ({", ".join(f"'{table}'" for table in WRITTEN_TABLES)})
                );
            IF wrong IS NOT NULL THEN
                RAISE EXCEPTION 'the import would have written %', wrong USING ERRCODE = '{WROTE_ELSEWHERE}';
            END IF;
        END
        $$
    """


ASSERT_ONLY_LEADS_WERE_WRITTEN = assert_only_leads_were_written()
