"""The bundled CRM's audit trail: a row trigger for every change of a lead.

An import leaves its own writes out, with ``SET LOCAL app.skip_audit = 'on'`` in its transaction. A
statement trigger takes this setting back from everybody else, because an unseen edit can be lost.
Switching triggers off instead would need rights a deploy does not have, or would block the site.

Both functions run with their owner's rights and name every schema. So a role may write leads
without rights on the trail, and a session's search_path does not matter.
"""

from sqlalchemy import text

from migrations.importer.context import RevisionContext, connection_of
from migrations.importer.names import quoted
from migrations.importer.progress import log
from migrations.importer.schema.functions import create_function
from migrations.importer.schema.tables import Table, drop_tables, is_made_by_us
from migrations.importer.session import DEPLOY_LOCK
from migrations.importer.sql import statement

__all__ = ["create_audit_trigger", "drop_audit_trail"]


def create_audit_trigger(context: RevisionContext) -> None:
    """Make both triggers on ``leads``. Raises ``DatabaseRefused`` if a function's name is taken."""
    schema = "public" if context.as_sql else _current_schema(context)
    create_function(context, "audit_lead()", statement("audit_lead", schema=quoted(schema)))
    only_imports = statement("audit_only_imports_skip", lock=DEPLOY_LOCK)
    create_function(context, "audit_only_imports_skip()", only_imports)
    context.execute(
        "CREATE TRIGGER audit_lead AFTER INSERT OR UPDATE OR DELETE ON leads "
        "FOR EACH ROW EXECUTE FUNCTION audit_lead()"
    )
    context.execute(
        "CREATE TRIGGER audit_only_imports_skip BEFORE INSERT OR UPDATE OR DELETE ON leads "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_imports_skip()"
    )


def drop_audit_trail(context: RevisionContext, lead_audit: Table) -> None:
    """Drop the trail as ``drop_tables`` does. It stays while ``leads`` is there to fill it."""
    if not is_made_by_us(context, lead_audit):
        return  # nor are functions of these names
    if connection_of(context).execute(text("SELECT to_regclass('leads')")).scalar():
        log.warning("kept the table lead_audit: the trigger on leads fills it")
        return
    drop_tables(context, lead_audit)
    context.execute("DROP FUNCTION IF EXISTS audit_lead()")
    context.execute("DROP FUNCTION IF EXISTS audit_only_imports_skip()")


def _current_schema(context: RevisionContext) -> str:
    schema: str = connection_of(context).execute(text("SELECT current_schema()")).scalar_one()
    return schema
