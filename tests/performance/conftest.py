"""The fixture of the tests that look into batches."""

import pytest

from tests.support.batches import Ran, watch


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Ran]:
    """The batches that this process has run since the test began, with what the server did in
    each."""
    return watch(monkeypatch)
