"""The preview as one page that a browser opens from disk: no server, no network, nothing to
install.

    with private_file(Path("preview.html")) as write:
        write(render(preview))

It holds people's data; phones and e-mails are masked unless asked for. Each value is escaped, and
the page's policy lets no script run but the page's own, known by its hash.
"""

import base64
import hashlib
from pathlib import Path

from mako.template import Template  # type: ignore[import-untyped]  # it has no types

from migrations.preview.figures import Preview
from migrations.preview.masking import masked, masked_values

__all__ = ["render"]

HERE = Path(__file__).parent


def render(preview: Preview, *, show_personal_data: bool = False) -> str:
    """The page as HTML."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    template = Template(
        (HERE / "page.html.mako").read_text(encoding="utf-8"),
        default_filters=["h"],
        strict_undefined=True,
    )
    page: str = template.render(
        preview=preview,
        mask=(lambda _, value: value) if show_personal_data else masked,
        mask_all=(lambda values: values) if show_personal_data else masked_values,
        visible=_visible,
        is_masked=not show_personal_data,
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
    )
    return page


def _visible(value: str) -> str:
    """A value with a mark for each character that a page would not show, or obey."""
    if value.isprintable():
        return value
    return "".join(
        c if c.isprintable() or c in _SHOWN else "␣" if c.isspace() else "�" for c in value
    )


_SHOWN = "\r\n\t\u200d"
"""What a page shows though it is not printable: line breaks, tabs, and what joins emoji
into one."""


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
