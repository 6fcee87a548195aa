<%!
    import json as quoting

    def quote(names):
        if names is None:
            return None
        if isinstance(names, tuple):
            listed = quoting.dumps(names)[1:-1]
            return f"({listed})" if len(names) > 1 else listed
        return quoting.dumps(names)
%>\
<%
    merges = isinstance(down_revision, tuple)
    imports_leads = import_ is not UNDEFINED
    up, down = context.get("upgrades"), context.get("downgrades")
    is_empty = "pass" if merges else "op.execute(...)"
%>\
"""${message}.

% if merges:
It joins the branches of the chain and does nothing else.
% elif not imports_leads:
Rules of a deploy:
- The old code runs on while this runs, and afterwards if the deploy is rolled back: add first,
  remove in a later deploy.
- Lock a busy table for a moment only: no rewrite, indexes CONCURRENTLY inside
  op.get_context().autocommit_block(), constraints NOT VALID first and validated later.
- Never edit a released revision, and import no code that changes, such as models.
% else:
Rules of a deploy:
- Once this is deployed anywhere, edit neither this file nor the export: a new export is a new file
  and a new revision (python -m migrations add).
- Look first: python -m migrations preview, on the live database. It only reads.
- If a deploy is cut off, nothing is lost: deploy again and the import continues.
- To revert it: alembic downgrade -1. What people have edited since stays as they left it.
% endif
"""

% if not merges:
% if "sa." in f"{up}{down}":
import sqlalchemy as sa
% endif
from alembic import op
% if imports:
${imports}
% endif
% if imports_leads:

from migrations.crm import ${declaration}
from migrations.importer.v1 import Import, apply, revert
% endif

% endif
revision = ${quote(up_revision)}
down_revision = ${quote(down_revision)}
% if branch_labels:
branch_labels = ${quote(branch_labels)}
% endif
% if depends_on:
depends_on = ${quote(depends_on)}
% endif
% if not imports_leads:


def upgrade() -> None:
    ${up or is_empty}


def downgrade() -> None:
    ${down or is_empty}
% else:

IMPORT = Import(
    revision=revision,
    export="${import_.export}",
    sha256="${import_.sha256}",
    records=${import_.records},
    leads=${declaration},
% if import_.masked:
    masked="${import_.masked}",
% endif
)


def upgrade() -> None:
    apply(IMPORT, op.get_context())


def downgrade() -> None:
    revert(IMPORT, op.get_context())
% endif
