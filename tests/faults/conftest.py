"""Fixtures of the tests in which something goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deploys import Deploys


@pytest.fixture
def deploys(tmp_path: Path) -> Iterator[Deploys]:
    """Runs deploys in processes of their own; at the end, none of them may have said anything
    personal."""
    with Deploys(tmp_path).watched() as deploys:
        yield deploys
