"""The preview as one page that a browser opens from disk: no server, no network, nothing to install.

    with page_file(Path("preview.html")) as write:   # refused here if the file cannot be made
        write(render(preview))

It holds people's data: the file is its owner's alone, phones and e-mails are masked unless asked for.
Each value is escaped, and the page's policy lets no script run but the page's own, known by its hash.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mako.template import Template  # type: ignore[import-untyped]  # it has no types

from migrations.importer.errors import ImportStopped
from migrations.masking import masked, masked_values
from migrations.preview import Preview

__all__ = ["CannotWritePage", "page_file", "render"]

HERE = Path(__file__).parent


class CannotWritePage(ImportStopped):
    """The file of the page cannot be written where it was asked for."""


def render(preview: Preview, *, show_personal_data: bool = False) -> str:
    """The page as HTML."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    template = Template(
        (HERE / "page.html.mako").read_text(encoding="utf-8"), default_filters=["h"], strict_undefined=True
    )
    page: str = template.render(
        preview=preview,
        mask=(lambda _, value: value) if show_personal_data else masked,
        mask_all=(lambda values: values) if show_personal_data else masked_values,
        is_masked=not show_personal_data,
        style=style,
        script=script,
        policy=(
            f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
    )
    return page


@contextmanager
def page_file(path: Path) -> Iterator[Callable[[str], None]]:
    """A new file beside ``path`` that takes its place once it is written, and is gone if it never is.

    Raises ``CannotWritePage`` before the block where there can be no such file.
    """
    if path.exists() and not path.is_file():
        raise CannotWritePage(f"{path} is not a file. Name one that is there, or one that is not.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise _cannot(path, error) from None
    os.close(descriptor)
    partial = Path(name)

    def write(page: str) -> None:
        try:
            partial.write_text(page, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise _cannot(path, error) from None

    try:
        yield write
    finally:
        partial.unlink(missing_ok=True)


def _cannot(path: Path, error: OSError) -> CannotWritePage:
    return CannotWritePage(f"{path} cannot be written: {error.strerror}. Name another place, then run again.")


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
