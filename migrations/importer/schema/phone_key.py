"""One current lead for each phone: the key's function, ``duplicate_of`` and the unique index.

Leads that share a phone already are all kept: the oldest stays current, the others are marked with
``duplicate_of``. The index is built CONCURRENTLY, so the site goes on; one that an earlier attempt
left behind INVALID is dropped and built again.
"""

import logging
from contextlib import nullcontext

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from migrations.importer.context import RevisionContext, connection_of, options_of
from migrations.importer.errors import DatabaseRefused, from_database
from migrations.importer.phone import CREATE_KEY_FUNCTION, KEY_FUNCTION, KEY_INDEX
from migrations.importer.schema.functions import create_function

__all__ = ["create_phone_key", "drop_phone_key"]

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""The site may add another lead with a phone that is there between the marking and the index."""

# CONCURRENTLY waits for the site's older transactions, a report's too, and nobody waits behind it.
_PATIENTLY = "SET lock_timeout = '20s'"
_QUICKLY = "SET lock_timeout = '2s'"

_FIND_INDEX = "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:index)"
# A mark that says something else: one where NULL does not mean that the lead is the current one of
# its phone.
_FIND_MARK = """
    SELECT
        format_type(atttypid, NULL)
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END || CASE WHEN atthasdef THEN ' with a default' ELSE '' END
    FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass('leads') AND attname = 'duplicate_of' AND NOT attisdropped
        AND (atttypid NOT IN ('bigint'::regtype, 'integer'::regtype) OR attnotnull OR atthasdef)
"""
_ADD_COLUMN = "ALTER TABLE leads ADD COLUMN IF NOT EXISTS duplicate_of bigint REFERENCES leads (id)"
COLUMN_INDEX = "leads_duplicate_of"
_INDEX_COLUMN = f"""
    CREATE INDEX {{concurrently}} IF NOT EXISTS {COLUMN_INDEX} ON leads (duplicate_of)
    WHERE duplicate_of IS NOT NULL
"""
_INDEX_KEY = f"""
    CREATE UNIQUE INDEX {{concurrently}} {KEY_INDEX} ON leads ({KEY_FUNCTION}(phone))
    WHERE duplicate_of IS NULL
"""
_MARK_DUPLICATES = f"""
    UPDATE leads AS l
    SET duplicate_of = same.oldest
    FROM (
        SELECT
            id,
            first_value(id) OVER (PARTITION BY {KEY_FUNCTION}(phone) ORDER BY created_at, id) AS oldest
        FROM leads
        WHERE duplicate_of IS NULL AND {KEY_FUNCTION}(phone) IS NOT NULL
    ) AS same
    WHERE l.id = same.id AND same.id <> same.oldest
        AND set_config('app.skip_audit', 'on', true) = 'on'
"""


def create_phone_key(context: RevisionContext) -> None:
    """Make the function, the column and the index, or what of them is missing."""
    if not context.as_sql and (
        found := connection_of(context).execute(text(_FIND_MARK)).scalar_one_or_none()
    ):
        raise DatabaseRefused(
            f"leads.duplicate_of is there as {found}, expected bigint that may be NULL, without "
            f"a default; nothing was "
            "written. Rename it, then run again."
        )
    create_function(context, f"{KEY_FUNCTION}(text)", CREATE_KEY_FUNCTION)
    context.execute(_ADD_COLUMN)
    # A dry run is one transaction, in which nothing can be built concurrently.
    one_transaction = options_of(context).dry_run
    concurrently = "" if one_transaction else "CONCURRENTLY"
    with nullcontext() if one_transaction else context.autocommit_block():
        if context.as_sql:
            context.execute(_INDEX_COLUMN.format(concurrently=concurrently))
            context.execute(_MARK_DUPLICATES)
            context.execute(_INDEX_KEY.format(concurrently=concurrently))
        else:
            connection = connection_of(context)
            _drop_if_invalid(connection, COLUMN_INDEX, concurrently)
            _patiently(connection, _INDEX_COLUMN.format(concurrently=concurrently), concurrently)
            _build_index(connection, concurrently)


def drop_phone_key(context: RevisionContext) -> None:
    """Drop the index and the function; marked duplicates keep their marks."""
    with nullcontext() if options_of(context).dry_run else context.autocommit_block():
        concurrently = "" if options_of(context).dry_run else "CONCURRENTLY"
        context.execute(f"DROP INDEX {concurrently} IF EXISTS {KEY_INDEX}")
    context.execute(f"DROP FUNCTION IF EXISTS {KEY_FUNCTION}(text)")
    log.info("kept the column leads.duplicate_of and its marks")


def _build_index(connection: Connection, concurrently: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        if connection.execute(text(_FIND_INDEX), {"index": KEY_INDEX}).scalar_one_or_none():
            return
        _drop_if_invalid(connection, KEY_INDEX, concurrently)
        if marked := connection.execute(text(_MARK_DUPLICATES)).rowcount:
            log.info("marked %d leads as duplicates of an older lead with the same phone", marked)
        try:
            _patiently(connection, _INDEX_KEY.format(concurrently=concurrently), concurrently)
        except DBAPIError as error:
            failed = from_database(error, f"building the index {KEY_INDEX}")
            if failed.sqlstate != "23505" or attempt == ATTEMPTS:
                raise failed from None
        else:
            return


def _drop_if_invalid(connection: Connection, index: str, concurrently: str) -> None:
    if connection.execute(text(_FIND_INDEX), {"index": index}).scalar_one_or_none() is False:
        log.info("dropping the index %s, which an earlier attempt left unfinished", index)
        _patiently(connection, f"DROP INDEX {concurrently} {index}", concurrently)


def _patiently(connection: Connection, statement: str, concurrently: str) -> None:
    """Run a statement about an index; what is done concurrently may wait, and nothing after it."""
    if not concurrently:
        connection.execute(text(statement))
        return
    connection.execute(text(_PATIENTLY))
    try:
        connection.execute(text(statement))
    finally:
        if not connection.invalidated:
            connection.execute(text(_QUICKLY))
