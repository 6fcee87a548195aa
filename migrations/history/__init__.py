"""Which state is each import in, and what is the remedy?

Read code, stamp and ledger once into one plain value, and judge it here and nowhere else:

    history = read_history(connection, config)
    for fault in faults(history):
        print(fault)            # a fact, then the one remedy for it

``reading`` makes the value, ``judging`` finds what is wrong with it, ``after`` looks at what a run
of Alembic has done. ``env.py`` asks before an upgrade and again after it, ``verify`` lists all
faults, ``status`` prints them.
"""

from migrations.history.after import Done, check_done, last_import, nothing_new_in_words
from migrations.history.judging import (
    PINNED,
    Fault,
    faults,
    faults_after,
    stamp_faults,
    upgrade_faults,
)
from migrations.history.reading import (
    History,
    Step,
    imports_of,
    read_code,
    read_history,
    read_stamp,
    version_table,
)

__all__ = [
    "PINNED",
    "Done",
    "Fault",
    "History",
    "Step",
    "check_done",
    "faults",
    "faults_after",
    "imports_of",
    "last_import",
    "nothing_new_in_words",
    "read_code",
    "read_history",
    "read_stamp",
    "stamp_faults",
    "upgrade_faults",
    "version_table",
]
