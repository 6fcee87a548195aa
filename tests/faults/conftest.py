"""Fixtures for the tests of faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deploys import Deploys


@pytest.fixture
def deploys(tmp_path: Path) -> Iterator[Deploys]:
    """Run deploys in processes of their own, and at the end check their output for personal
    data."""
    with Deploys(tmp_path).watched() as deploys:
        yield deploys
