"""Alerts at the desk: what is watched, and what was told."""

from flask import Response

from api.pagination import BY_ID, BY_NAME
from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.queries import firings_of, rules_where
from usage_billing.reports.alerts import alert_view, alert_views, firing_views
from usage_billing.wire.alert import ALERT, FIRING
from usage_billing.wire.noun import show
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed

WHICH = (("", "those that hold"), ("ended", "those that have ended"))
_TOLD = (("", "all"), ("unresolved", "those still to be resolved"))


@blp.get("/alerts")
@looking
def list_alerts(desk: Desk) -> Response:
    """Alerts by id, those that hold unless ``which`` says others; of a subscription or a customer alone."""
    query = query_of("which", "subscriptionId", "userId", "after")
    statement = rules_where(
        subscription_id=query.get("subscriptionId"),
        customer_id=query.get("userId"),
        ended=query.get("which") == "ended",
    )
    found = listed(
        desk,
        statement,
        query,
        noun=ALERT,
        by=[AlertRule.id],
        kind=BY_NAME,
        path=["alerts"],
        viewed=alert_views,
    )
    return framed(desk, "alerts", "alerts", alerts=found.rows, following=found.following, query=query, which=WHICH)


@blp.get("/alerts/<identifier:alert_id>")
@looking
def show_alert(desk: Desk, alert_id: str) -> Response:
    """One alert, and what it told, the newest first; ``told`` chooses."""
    query = query_of("told", "after")
    alert = show(ALERT, alert_view(desk.session, alert_id))
    found = listed(
        desk,
        firings_of(alert_id, unresolved=query.get("told") == "unresolved"),
        query,
        noun=FIRING,
        by=[AlertFiring.id],
        kind=BY_ID,
        path=["alerts", alert_id],
        newest_first=True,
        viewed=lambda rows: firing_views(desk.session, rows),
    )
    return framed(
        desk,
        "alerts",
        "alert",
        alert=alert,
        firings=found.rows,
        following=found.following,
        query=query,
        told=_TOLD,
        history=last_of(desk, [f"alert:{alert_id}"]),
    )
