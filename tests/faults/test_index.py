"""Build an index beside a site with long transactions."""

from sqlalchemy import URL, text

from tests.support.database import connected, wait_until
from tests.support.deploys import Deploys

WAITS = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def test_a_long_transaction_of_the_site_is_waited_for(database: URL, deploys: Deploys) -> None:
    """Wait longer than for a lead's lock, because nobody waits for an index built concurrently."""
    deploys.succeed(database, "upgrade", "0001_baseline")
    with connected(database) as site:
        site.execute(text("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        site.execute(text("SELECT count(*) FROM users"))
        deploy = deploys.start(database, "upgrade", "head")
        wait_until(database, WAITS)
        site.execute(text("SELECT pg_sleep(4)"))
        site.execute(text("ROLLBACK"))
    assert deploy.status == 0, deploy.output
    assert "trying again" not in deploy.output
