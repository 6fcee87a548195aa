<%!
    import json as quoting

    def quote(name):
        return None if name is None else quoting.dumps(name)
%>\
"""${message}.

% if import_ is UNDEFINED:
Rules of a deploy:
- The old code runs on while this runs, and after it if the deploy is taken back: add first, remove
  in a later deploy.
- Nothing here may hold a lock on a busy table for longer than a moment: no rewrite, indexes
  CONCURRENTLY inside op.get_context().autocommit_block(), constraints NOT VALID and validated later.
- A released revision is never edited, and imports nothing that moves on, such as models.
% else:
Rules of a deploy:
- Once this has been deployed anywhere, neither this file nor the export is edited: a new export is
  a new file and a new revision (python -m migrations add).
- Look first: alembic -x dry-run upgrade head, against a copy of the live database.
- A deploy that is cut off loses nothing: deploy again and the import continues.
- To take it back: alembic downgrade -1. What people have edited since stays as they left it.
% endif
"""

from alembic import op
% if import_ is not UNDEFINED:

from migrations.importer.v1 import Import, apply, revert
% endif

revision = ${quote(up_revision)}
down_revision = ${quote(down_revision)}
% if import_ is UNDEFINED:


def upgrade() -> None:
    ${upgrades if upgrades else "op.execute(...)"}


def downgrade() -> None:
    ${downgrades if downgrades else "op.execute(...)"}
% else:

IMPORT = Import(
    revision=revision,
    export="${import_.export}",
    sha256="${import_.sha256}",
    records=${import_.records},
% if import_.masked:
    masked="${import_.masked}",
% endif
)


def upgrade() -> None:
    apply(IMPORT, op.get_context())


def downgrade() -> None:
    revert(IMPORT, op.get_context())
% endif
