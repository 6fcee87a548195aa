"""Every statement that compares leads with what an import wrote, in the order in which they run.

They write to temporary tables alone, which are made before the connection becomes read-only. The
export is staged and folded as an import does it (``sql/apply.py``), and compared batch by batch.
Where a later import has updated a lead, it is compared as that one found it.
"""

from migrations.importer.record import COLUMNS
from migrations.importer.sql.apply import each

__all__ = [
    "BEGIN",
    "COMPARE",
    "COMPARE_MOVED",
    "COUNT",
    "COUNT_FIELDS",
    "COUNT_LOST",
    "READ_ONLY",
    "TEMPORARY_TABLES",
]

TEMPORARY_TABLES = (
    # The leads that the import has added.
    "CREATE TEMPORARY TABLE lead_verify_created (lead_id bigint PRIMARY KEY)",
    # Leads that later imports have updated, as the first of these found them.
    f"CREATE TEMPORARY TABLE lead_verify_later (lead_id bigint PRIMARY KEY, {each('{c} text')})",
    # Where each record is today: its lead, and which fields people have edited; NULL: they removed
    # it.
    "CREATE TEMPORARY TABLE lead_verify_found (record integer, lead_id bigint NOT NULL, edited "
    "text[])",
    "CREATE INDEX ON lead_verify_found (lead_id)",
    # Records whose phone no lead has any more.
    f"""
    CREATE TEMPORARY TABLE lead_verify_lost (
        record integer NOT NULL,
        {each("{c} text NOT NULL")},
        created_at timestamptz NOT NULL
    )
    """,
)

READ_ONLY = "SET default_transaction_read_only = on"

BEGIN = (
    "DELETE FROM lead_verify_created",
    "DELETE FROM lead_verify_later",
    "DELETE FROM lead_verify_found",
    "DELETE FROM lead_verify_lost",
    "DELETE FROM lead_import_stage",
    "DELETE FROM lead_import_set_aside",
    "DELETE FROM lead_import_repeats",
    """
    INSERT INTO lead_verify_created (lead_id)
    SELECT DISTINCT unnest(created_ids) FROM lead_import_batches WHERE import_id = :import
    """,
    f"""
    INSERT INTO lead_verify_later (lead_id, {", ".join(COLUMNS)})
    SELECT DISTINCT ON (lead_id) lead_id, {", ".join(COLUMNS)}
    FROM lead_before_images
    WHERE import_id = ANY(CAST(:later AS bigint[]))
    ORDER BY lead_id, import_id, record
    """,
)


def _edited(wrote: str) -> str:
    """The names of the fields that are not as the import wrote them."""
    now = "CASE WHEN later.lead_id IS NULL THEN l.{c} ELSE later.{c} END"
    fields = each(
        f"CASE WHEN {now} IS DISTINCT FROM {wrote} THEN '{{c}}' END", between=",\n            "
    )
    return f"array_remove(ARRAY[\n            {fields}\n        ], NULL)"


def _later(lead: str) -> str:
    return f"LEFT JOIN lead_verify_later AS later ON later.lead_id = {lead}"


_BATCH = "(SELECT * FROM lead_import_stage WHERE record >= :here AND record < :next)"

# What is found leaves the stage. LIMIT keeps the planner from reading whole tables, whatever it
# believes.
_FOUND = """
    WITH found AS (
        INSERT INTO lead_verify_found (record, lead_id, edited)
        {}
        RETURNING record
    )
    DELETE FROM lead_import_stage AS s USING found WHERE s.record = found.record
"""

_COMPARE_UPDATED = _FOUND.format(f"""
        SELECT
            s.record, i.lead_id,
            CASE WHEN l.id IS NOT NULL THEN {_edited("coalesce(s.{c}, i.{c})")} END
        FROM {_BATCH} AS s
        CROSS JOIN LATERAL (
            SELECT * FROM lead_before_images WHERE import_id = :import AND record = s.record LIMIT 1
        ) AS i
        LEFT JOIN LATERAL (SELECT * FROM leads WHERE id = i.lead_id LIMIT 1) AS l ON true
        {_later("i.lead_id")}
""")

# Created leads hold the record, blanks too; those that were unchanged hold its other values. Where
# none was unchanged, any other lead that has the phone now has come since.
_COMPARE_OTHERS = _FOUND.format(f"""
        SELECT
            s.record, l.id,
            {_edited("coalesce(s.{c}, CASE WHEN created.lead_id IS NULL THEN l.{c} ELSE '' END)")}
        FROM {_BATCH} AS s
        CROSS JOIN LATERAL (
            SELECT * FROM leads
            WHERE lead_phone_key_v1(phone) = s.phone_key AND duplicate_of IS NULL
            LIMIT 1
        ) AS l
        LEFT JOIN lead_verify_created AS created ON created.lead_id = l.id
        {_later("l.id")}
        WHERE created.lead_id IS NOT NULL OR (SELECT unchanged > 0 FROM lead_imports WHERE id = :import)
""")

_KEEP_LOST = f"""
    INSERT INTO lead_verify_lost (record, {", ".join(COLUMNS)}, created_at)
    SELECT record, {each("coalesce({c}, '')")}, created_at FROM {_BATCH} AS s
"""

COMPARE = (_COMPARE_UPDATED, _COMPARE_OTHERS, _KEEP_LOST)

# Records that changed nothing, so that the ledger does not know their leads: what remains when
# those of created leads are taken off.
COUNT_LOST = """
    SELECT greatest(0, (SELECT count(*) FROM lead_verify_lost) - count(*))
    FROM lead_verify_created AS c
    WHERE NOT EXISTS (SELECT FROM lead_verify_found AS f WHERE f.lead_id = c.lead_id)
"""

# Created leads that have another phone now: their record is the one with their number and time.
COMPARE_MOVED = f"""
    INSERT INTO lead_verify_found (record, lead_id, edited)
    SELECT DISTINCT ON (l.id)
        s.record, l.id,
        CASE
            WHEN s.record IS NOT NULL THEN {_edited("s.{c}")}
            WHEN l.duplicate_of IS NULL THEN ARRAY['phone']
            ELSE '{{}}'
        END
    FROM lead_verify_created AS c
    JOIN leads AS l ON l.id = c.lead_id
    LEFT JOIN lead_verify_lost AS s ON s.created_at = l.created_at AND s.lead_number = l.lead_number
    {_later("l.id")}
    WHERE NOT EXISTS (SELECT FROM lead_verify_found AS f WHERE f.lead_id = l.id)
    ORDER BY l.id, s.record
"""

COUNT = """
    SELECT
        (SELECT count(*) FROM lead_verify_found WHERE cardinality(edited) > 0) AS edited,
        (SELECT count(*) FROM lead_verify_found WHERE edited IS NULL)
            + (
                SELECT count(*) FROM lead_verify_created AS c
                WHERE NOT EXISTS (SELECT FROM leads AS l WHERE l.id = c.lead_id)
            ) AS removed
"""

COUNT_FIELDS = """
    SELECT field, count(*) AS leads
    FROM lead_verify_found, unnest(edited) AS field
    GROUP BY field
    ORDER BY leads DESC, field
"""
