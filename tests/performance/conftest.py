"""The fixture for tests that look into batches."""

import pytest

from tests.support.batches import Ran, watch


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Ran]:
    """Collect the batches this process runs during the test, and what the server does in each."""
    return watch(monkeypatch)
