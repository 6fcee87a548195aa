"""The preview as one page that a browser opens from disk: no server, no network, nothing to
install.

    with page_file(Path("preview.html")) as write:   # refused here if the file cannot be made
        write(render(preview))

It holds people's data: the file is its owner's alone, phones and e-mails are masked unless asked
for. Each value is escaped, and the page's policy lets no script run but the page's own, known by
its hash.
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
from migrations.preview.figures import Preview
from migrations.preview.masking import masked, masked_values

__all__ = ["CannotWritePage", "page_file", "render"]

HERE = Path(__file__).parent


class CannotWritePage(ImportStopped):
    """The file of the page cannot be written where it was asked for."""


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


@contextmanager
def page_file(path: Path) -> Iterator[Callable[[str], None]]:
    """A new file that takes the place of ``path`` at once when it is written.

    Raises ``CannotWritePage`` before the block where there can be no such file. The block may take
    long and be killed: while it runs there is no file that could be left behind.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise CannotWritePage(
            f"{path} is a link, a directory or a device. Name a file for the page."
        )
    with _partial(path):
        pass

    def write(page: str) -> None:
        with _partial(path) as partial:
            partial.write_text(page, encoding="utf-8")
            partial.replace(path)

    yield write


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """An empty file beside ``path`` that is gone at the end, unless it has taken its place."""
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".partial", dir=path.parent
        )
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(path, error) from None


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


def _cannot(path: Path, error: OSError) -> CannotWritePage:
    return CannotWritePage(
        f"{path} cannot be written: {error.strerror}. Name another place, then run again."
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
