"""Write names and texts for SQL.

A colon would begin a parameter in SQLAlchemy's ``text()``, so each one is escaped.
"""

from sqlalchemy.dialects.postgresql import dialect

__all__ = ["escaped", "literal", "qualified", "quoted", "unescaped"]

# Not pyformat: it would double a % in a name, and text() does so again.
_preparer = dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]  # it has no types
# The server's own, which SQLAlchemy leaves out.
_preparer.reserved_words = {
    *_preparer.reserved_words,
    *("collation", "concurrently", "lateral", "system_user", "tablesample"),
}


def quoted(name: str) -> str:
    """Return a name as an identifier. Plain ones stay plain, reserved ones are quoted."""
    return escaped(_preparer.quote(name))


def qualified(table: str) -> str:
    """Return ``schema.table``, or ``table``, as identifiers."""
    return ".".join(map(quoted, table.split(".", 1)))


def literal(value: str) -> str:
    """Return a text as a string constant."""
    return escaped("'" + value.replace("'", "''") + "'")


def escaped(sql: str) -> str:
    """Return somebody else's SQL, ready to stand in ours."""
    return sql.replace(":", "\\:")


def unescaped(sql: str) -> str:
    """Return SQL of ours without the escapes, to be shown or to stand in a string constant."""
    return sql.replace("\\:", ":")
