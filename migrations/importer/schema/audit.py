"""The audit trail of leads: a row trigger that every change passes, except an import's own.

An import says so with ``SET LOCAL app.skip_audit = 'on'`` in its transaction. Switching triggers
off instead would need rights that a deploy has not, or would block the site.
"""

import logging

from sqlalchemy import text

from migrations.importer.context import RevisionContext, connection_of
from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.functions import create_function
from migrations.importer.schema.tables import Table, drop_tables

__all__ = ["create_audit_trigger", "drop_audit_trail"]

log = logging.getLogger(__name__)

# Compared with = 'on': after a transaction that has set it, the setting reads '', not NULL.
_FUNCTION = """
CREATE FUNCTION audit_lead() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF pg_catalog.current_setting('app.skip_audit', true) = 'on' THEN
        RETURN NULL;
    END IF;
    INSERT INTO lead_audit (lead_id, action, before, after)
    VALUES (
        CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
        pg_catalog.lower(TG_OP),
        CASE WHEN TG_OP <> 'INSERT' THEN pg_catalog.to_jsonb(OLD) END,
        CASE WHEN TG_OP <> 'DELETE' THEN pg_catalog.to_jsonb(NEW) END
    );
    RETURN NULL;
END
$body$
"""
_TRIGGER = """
CREATE TRIGGER audit_lead AFTER INSERT OR UPDATE OR DELETE ON leads
FOR EACH ROW EXECUTE FUNCTION audit_lead()
"""
_FIND_TRIGGERS = """
    SELECT tgname, prosrc LIKE '%app.skip_audit%' AS knows_imports
    FROM pg_catalog.pg_trigger
    JOIN pg_catalog.pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = to_regclass('leads') AND NOT tgisinternal AND prosrc LIKE '%lead_audit%'
"""


def create_audit_trigger(context: RevisionContext) -> None:
    """Make the trigger, unless ``leads`` has one that fills ``lead_audit``.

    Raises ``DatabaseRefused`` where that one does not let imports pass, or where our function's
    name is taken.
    """
    found = [] if context.as_sql else connection_of(context).execute(text(_FIND_TRIGGERS)).all()
    for trigger in found:
        if not trigger.knows_imports:
            raise DatabaseRefused(
                f"The trigger {trigger.tgname} on leads writes lead_audit for every change; an "
                f"import must not "
                "fill the audit trail. Let its function return where "
                "current_setting('app.skip_audit', true) = 'on', then run again."
            )
    if not found:
        create_function(context, "audit_lead()", _FUNCTION)
        context.execute(_TRIGGER)


def drop_audit_trail(context: RevisionContext, lead_audit: Table) -> None:
    """Drop the trail as ``drop_tables`` does; kept while ``leads`` is there, whose trigger
    fills it."""
    if connection_of(context).execute(text("SELECT to_regclass('leads')")).scalar():
        log.warning("kept the table lead_audit: the trigger on leads fills it")
        return
    drop_tables(context, lead_audit)
    context.execute("DROP FUNCTION IF EXISTS audit_lead()")
