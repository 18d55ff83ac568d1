"""What happened: the audit log, of everything or of one thing."""

from collections.abc import Collection

from flask import Response

from api.pagination import BY_NUMBER
from usage_billing.audit.models import AuditEntry
from usage_billing.audit.queries import entries_where
from usage_billing.cli.frame.output import shown
from usage_billing.wire.audit import AUDIT_ENTRY
from usage_billing.wire.noun import Shape, show
from web.admin.blueprint import address, blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.lists import ROWS, listed

_FEW = 10
# Where the things of the audit log have a page.
_PAGES = {
    "customer": "customers",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "run": "runs",
    "plan": "plans",
    "usage-type": "usage-types",
    "usage_type": "usage-types",
    "wallet": "wallets",
    "key": "keys",
    "endpoint": "endpoints",
    "alert": "alerts",
    "event": "events",
    "package": "packages",
}


def last_of(desk: Desk, subjects: Collection[str]) -> list[Shape]:
    """The last entries about these things."""
    statement = entries_where(subjects=subjects).order_by(AuditEntry.id.desc()).limit(_FEW)
    return [_linked(show(AUDIT_ENTRY, row)) for row in desk.session.scalars(statement)]


@blp.get("/audit")
@looking
def show_audit(desk: Desk) -> Response:
    """Who did what, the newest first; ``subject``, ``actor`` and ``action`` choose."""
    query = query_of("subject", "actor", "action", "after")
    statement = entries_where(
        subjects=[query["subject"]] if "subject" in query else (), actor=query.get("actor"), action=query.get("action")
    )
    found = listed(
        desk, statement, query, noun=AUDIT_ENTRY, by=[AuditEntry.id], kind=BY_NUMBER, path=["audit"], newest_first=True
    )
    entries = [_linked(row) for row in found.rows]
    return framed(desk, "audit", "audit", entries=entries, following=found.following, query=query, rows=ROWS)


def _linked(entry: Shape) -> Shape:
    """An entry, with the address of the page of what it is about, if that has one."""
    kind, _, name = entry["subject"].partition(":")
    page = _PAGES.get(kind)
    said = ", ".join(f"{key} {shown(value)}" for key, value in entry["detail"].items())
    return entry | {"url": address(page, name) if page and name else "", "said": said}
