"""Pace an import so the site does not notice it.

A batch locks the leads it updates until its commit. If batches take too long, they get smaller, and
larger again if there is time. If commits are slow, the disk or a standby is behind, and the import
pauses as long as it has worked. The models are the batched migrations of GitLab
(https://docs.gitlab.com/development/database/batched_background_migrations/) and the throttle of
gh-ost (https://github.com/github/gh-ost/blob/master/doc/throttle.md).
"""

from typing import NamedTuple

__all__ = ["Pace", "Took"]

LONGEST_WORK = 0.1
"""Seconds a batch should take before its commit. It holds leads locked for less than half."""

SLOW_COMMIT = 0.1
"""Seconds. A commit waits for the disk once: some milliseconds."""

SMALLEST_BATCH = 20
LONGEST_REST = 10.0


class Took(NamedTuple):
    """The seconds of a batch, and those of its commit among them."""

    batch: float
    commit: float


class Pace:
    """The size of the next batch, and the rest before it.

    most: records a batch, at most. pause: seconds between batches, whatever they take.
    """

    def __init__(self, most: int, pause: float) -> None:
        self.batch_size = most
        self.rest = pause
        self._most = most
        self._pause = pause

    def after(self, records: int, took: Took) -> None:
        """Set the pace after a batch of so many records."""
        # A commit takes no longer for more records.
        fitting = records * LONGEST_WORK / max(took.batch - took.commit, 1e-6)
        if fitting < self.batch_size:
            size = max(fitting, self.batch_size / 2, SMALLEST_BATCH)
        else:
            size = min(fitting, self.batch_size * 5 / 4 + 1)
        self.batch_size = int(min(size, self._most))
        slow = took.commit > SLOW_COMMIT
        self.rest = max(self._pause, min(took.batch, LONGEST_REST) if slow else 0)

    def note(self) -> str:
        """Say what is slower than asked, and why. "" if nothing is."""
        notes = []
        if self.batch_size < self._most:
            notes.append(f"batches of {self.batch_size:,} because larger ones take too long")
        if self.rest > self._pause:
            notes.append(f"pausing {self.rest:.1f} s because commits are slow")
        return "; ".join(notes)
