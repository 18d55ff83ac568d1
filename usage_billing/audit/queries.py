"""Reads the audit log."""

from collections.abc import Collection

from sqlalchemy import Select, select

from usage_billing.audit.models import AuditEntry
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.db.filters import equal, within


def entries_where(
    *,
    subjects: Collection[str] = (),
    actor: str | None = None,
    action: str | None = None,
    span: Span = ALWAYS,
) -> Select[AuditEntry]:
    """The statement for a list of entries about one of ``subjects`` (about all, without any), made in ``span``."""
    statement = equal(select(AuditEntry), {AuditEntry.actor: actor, AuditEntry.action: action})
    if subjects:
        statement = statement.where(AuditEntry.subject.in_(subjects))
    return within(statement, AuditEntry.at, span)
