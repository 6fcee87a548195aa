"""The lines that hold it all together, each of them taken out: handed to a deploy as its fault.

Nothing in the product can switch them off.
"""

from typing import Any

from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import Connection

from migrations import history
from migrations.deploy import lock
from tests.support.faults import FUNCTIONS, change_function

__all__ = [
    "after_check",
    "commit_before_configure",
    "compare_and_swap",
    "deploy_lock_taken",
    "order_of_locks",
    "row_lock",
]


def deploy_lock_taken() -> None:
    """Two deploys work at once."""

    def take_nothing(connection: Connection, *_: object, **__: object) -> None:
        connection.rollback()  # as it does after each look at the lock

    lock.take_deploy_lock = take_nothing


def compare_and_swap() -> None:
    """The checkpoint is moved from wherever it is."""
    _take_out("AND next_record = _first")


def row_lock() -> None:
    """Leads are updated without having been locked before."""
    _take_out("FOR NO KEY UPDATE")


def order_of_locks() -> None:
    """Leads are locked in the order in which the server finds them."""
    _take_out("ORDER BY lead_id")


def commit_before_configure() -> None:
    """The transaction of the first look at the database is still open when Alembic takes over."""
    end, configure = Connection.rollback, EnvironmentContext.configure

    def configure_and_end(self: EnvironmentContext, *args: Any, **more: Any) -> None:
        Connection.rollback = end  # type: ignore[method-assign]
        configure(self, *args, **more)

    Connection.rollback = lambda self: None  # type: ignore[method-assign]
    EnvironmentContext.configure = configure_and_end  # type: ignore[method-assign]


def after_check() -> None:
    """Nobody looks from a fresh connection whether the work is there."""
    history.check_done = lambda *_: None


def _take_out(line: str) -> None:
    begin, function = next(iter(FUNCTIONS.items()))
    assert line in function
    change_function(begin, lambda function: function.replace(line, ""))
