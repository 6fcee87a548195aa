"""The SQL of the migrations: a file for each step, most often one statement or one function.

    statement("apply_batch", table=table)

A ``.sql`` file stands as it is. A ``.sql.mako`` file is rendered, most often for a table
(``table.py``). ``leads.mako`` and ``part`` hold what several of them share. Values of leads reach
the server by COPY alone. A parameter, after a colon, is a position, a count or a name.
``-- step:`` marks a part by its name.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from mako.lookup import TemplateLookup  # type: ignore[import-untyped]  # it has no types

from migrations.importer.foreseen import Foreseen
from migrations.importer.names import escaped, literal, qualified, quoted, unescaped

__all__ = ["LEDGER_TABLES", "statement"]

LEDGER_TABLES = ("lead_imports", "lead_import_batches", "lead_before_images", "lead_import_rejects")

_HERE = Path(__file__).parent


def _part(name: str, indent: int = 0) -> str:
    """Return lines that several templates share, without the comment above them.

    indent: spaces before each line but the first.
    """
    lines = [line for line in _as_it_stands(name).splitlines() if not line.startswith("--")]
    return f"\n{' ' * indent}".join(lines)


_NAMES = {
    "escaped": escaped,
    "foreseen": Foreseen,
    "json": json,
    "literal": literal,
    "part": _part,
    "qualified": qualified,
    "quoted": quoted,
    "unescaped": unescaped,
}
_templates = TemplateLookup([_HERE], strict_undefined=True)


def statement(name: str, /, **values: Any) -> str:
    """Return the statement of that name, rendered for ``values`` if it is a template."""
    if not values:
        return _as_it_stands(name)
    template = _templates.get_template(f"{name}.sql.mako")
    rendered: str = template.render(**values, **_NAMES)
    return rendered


@cache
def _as_it_stands(name: str) -> str:
    return (_HERE / f"{name}.sql").read_text(encoding="utf-8")
