"""Write a preview as CSV for a spreadsheet: a line a lead, old and new values side by side.

It holds people's data. Phones and e-mails are masked unless asked for.
"""

from collections.abc import Iterator

from migrations.preview.figures import Preview, Values
from migrations.preview.masking import masked_values
from migrations.sheets import as_csv

__all__ = ["preview_as_csv"]


def preview_as_csv(preview: Preview, *, show_personal_data: bool = False) -> str:
    """List the leads to be updated, then those to be created."""
    return as_csv(_lines(preview, show_personal_data))


def _lines(preview: Preview, show_personal_data: bool) -> Iterator[list[object]]:
    def shown(values: Values) -> Values:
        return values if show_personal_data else masked_values(values)

    names = preview.fields
    pairs = [f"{name} {when}" for name in names for when in ("old", "new")]
    yield ["outcome", "record", "id", "changes", *pairs]
    for lead in preview.changed:
        old, new = shown(lead.old), shown(lead.new)
        values = [value for name in names for value in (old.get(name), new.get(name))]
        yield ["updated", lead.position + 1, lead.id, ", ".join(lead.fields), *values]
    for created in preview.created:
        new = shown(created.values)
        values = [value for name in names for value in (None, new.get(name))]
        yield ["created", created.position + 1, None, "", *values]
