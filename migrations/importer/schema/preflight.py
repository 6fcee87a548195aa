"""Before any write: is everything there that the work will need? What is missing is listed, all of
it.

``check_server`` looks before the first revision, ``check_tables`` before an import,
``check_removal`` before created leads are removed again.
"""

from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseRefused
from migrations.importer.phone import KEY_FUNCTION, KEY_INDEX
from migrations.importer.sql.apply import WRITTEN_TABLES
from migrations.importer.sql.revert import REFERRERS

__all__ = ["check_removal", "check_server", "check_tables"]

OLDEST_SERVER = 130000
"""Postgres 13, in the form of ``server_version_num``: the oldest that Render ran and the tests
know."""

# Each SELECT gives a line for what is wrong, and none where all is well.
_SERVER = f"""
    SELECT 'the server is read-only: it is a replica, or default_transaction_read_only is on'
    WHERE pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
    UNION ALL
    SELECT 'the server is Postgres ' || current_setting('server_version') || ', expected 13 or '
                                                                             'newer'
    WHERE current_setting('server_version_num')::integer < {OLDEST_SERVER}
    UNION ALL
    SELECT 'the database is encoded in ' || current_setting('server_encoding') || ', expected UTF8'
    WHERE current_setting('server_encoding') <> 'UTF8'
    UNION ALL
    SELECT 'track_counts is off: without it nobody can prove that nothing else was written'
    WHERE current_setting('track_counts') = 'off'
    UNION ALL
    SELECT 'search_path names no schema that is there: ' || current_setting('search_path')
    WHERE current_schema() IS NULL
    UNION ALL
    SELECT format('the role %I may not make tables in the schema %I (GRANT '
                  'CREATE)', current_user, current_schema())
    WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
    UNION ALL
    SELECT format('the role %I may not make temporary tables (GRANT TEMPORARY ON '
                  'DATABASE)', current_user)
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
"""
# A table that is there already may not be as open to writing as it looks.
_LEADS = """
    SELECT format('the role %I does not own the table %s, which the revisions '
                  'extend', current_user, oid::regclass)
    FROM pg_catalog.pg_class
    WHERE oid = to_regclass('leads') AND NOT pg_has_role(relowner, 'USAGE')
    UNION ALL
    SELECT format('row-level security on leads hides rows from the role %I', current_user)
    WHERE to_regclass('leads') IS NOT NULL AND row_security_active(to_regclass('leads'))
    UNION ALL
    SELECT format('the rule %s on leads turns a write into another one', rulename)
    FROM pg_catalog.pg_rewrite
    JOIN pg_catalog.pg_class ON pg_class.oid = ev_class AND relkind = 'r'
    WHERE ev_class = to_regclass('leads')
"""
_NEEDED = ", ".join(f"'{table}'" for table in WRITTEN_TABLES)
_TABLES = f"""
    SELECT format('the table %s is not there', needed)
    FROM unnest(ARRAY[{_NEEDED}]) AS needed
    WHERE to_regclass(needed) IS NULL
    UNION ALL
    SELECT format('the role %I may not %s %s', current_user, may, needed)
    FROM unnest(ARRAY[{_NEEDED}]) AS needed,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS may
    WHERE NOT has_table_privilege(to_regclass(needed), may)
    UNION ALL
    SELECT 'the function {KEY_FUNCTION}(text) is not there'
    WHERE to_regprocedure('{KEY_FUNCTION}(text)') IS NULL
    UNION ALL
    SELECT 'the unique index {KEY_INDEX} is not there, or not valid'
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index
        WHERE indexrelid = to_regclass('{KEY_INDEX}') AND indisvalid AND indisunique
            AND indrelid = to_regclass('leads')
    )
"""

# A row that the role does not see would be taken for one that is not there.
_REMOVAL = f"""
    SELECT format('the role %I may not DELETE leads', current_user)
    WHERE NOT has_table_privilege('leads', 'DELETE')
    UNION
    SELECT format('the role %I may not SELECT %s, which refers to leads', current_user, name)
    FROM ({REFERRERS}) AS referrer
    JOIN pg_catalog.pg_class ON pg_class.oid = name::regclass
    WHERE NOT has_table_privilege(name, 'SELECT') OR NOT has_schema_privilege(relnamespace, 'USAGE')
    UNION
    SELECT format('row-level security on %s, which refers to leads, hides rows from the role '
                  '%I', name, current_user)
    FROM ({REFERRERS}) AS referrer
    WHERE row_security_active(name::regclass)
"""


def check_server(connection: Connection) -> None:
    """Raise ``DatabaseRefused`` unless the server lets the revisions do their work."""
    _check(connection, _SERVER, _LEADS)


def check_tables(connection: Connection) -> None:
    """Raise ``DatabaseRefused`` unless an import finds all that it works with."""
    _check(connection, _TABLES, _LEADS)


def check_removal(connection: Connection) -> None:
    """Raise ``DatabaseRefused`` unless the role may remove leads and sees every row that
    refers to one."""
    _check(connection, _REMOVAL)


def _check(connection: Connection, *checks: str) -> None:
    missing = list(connection.execute(text(" UNION ALL ".join(checks))).scalars())
    if missing:
        lines = [
            "The database is not ready; nothing was written.",
            *(f"  {line}" for line in missing),
        ]
        raise DatabaseRefused(
            "\n".join([*lines, "Put that right, then run the same command again."])
        )
