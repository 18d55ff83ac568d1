"""Alerts: what usage is watched for, and that it happened."""

from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.locations import makes
from api.pagination import BY_ID, BY_NAME, filters_of, listed
from api.schemas.alerts import AlertsQuery, ChangedAlertSchema, FiringsQuery, NewAlertSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import WEBHOOKS_MANAGE
from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.queries import firings_of, get_rule, get_rule_seen_by, rules_where
from usage_billing.db.session import read_only
from usage_billing.flows.alerting import manage_alerts, own_alerts
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.reports.alerts import AlertView, alert_view, alert_views, firing_views
from usage_billing.wire.alert import ALERT, ALERT_TESTED, FIRING
from usage_billing.wire.noun import page_of

blp = Blueprint("alerts", __name__, url_prefix="/api", description="What usage and balances are watched for.")
_ONE = "/alerts/<identifier:alert_id>"


@blp.route("/alerts", methods=["POST"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.arguments(NewAlertSchema)
@blp.response(201, ALERT)
@makes("/api/alerts")
def create_alert(new: NewAlert) -> AlertView:
    """Watch usage or balances, and tell once when they reach a line. What they have reached is told in seconds.

    A user may watch its own subscriptions where the plan lets it, and be told alone.
    """
    who, now = caller(), state().clock()
    with writing() as session:
        if who.customer_id is None:
            made = manage_alerts.create_alert(session, new, actor=who.actor, now=now)
        else:
            made = own_alerts.create_own_alert(session, new, customer_id=who.customer_id, actor=who.actor, now=now)
        return alert_view(session, made.id)


@blp.route("/alerts", methods=["GET"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.arguments(AlertsQuery, location="query")
@blp.response(200, page_of(ALERT))
def list_alerts(query: dict[str, Any]) -> dict[str, Any]:
    """List alerts by id, without warnings. A user sees those over itself and over its own subscriptions."""
    with read_only(state().engine) as session:
        return listed(
            session,
            rules_where(**filters_of(query), seen_by=caller().customer_id),
            query,
            noun=ALERT,
            by=[AlertRule.id],
            kind=BY_NAME,
            viewed=alert_views,
        )


@blp.route(_ONE, methods=["GET"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.response(200, ALERT)
@tagged
def show_alert(alert_id: str) -> AlertView:
    """Show an alert, one that has ended too. A user sees those over itself and over its own subscriptions."""
    with read_only(state().engine) as session:
        return alert_view(session, get_rule_seen_by(session, alert_id, caller().customer_id).id)


@blp.route(_ONE, methods=["PATCH"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.arguments(ChangedAlertSchema)
@blp.response(200, ALERT)
@tagged
@takes_if_match
def change_alert(changes: dict[str, Any], alert_id: str) -> AlertView:
    """Change the lines of an alert, how it comes back, or whom it is told to. What was told stays told.

    A user changes what it made itself.
    """
    who, now = caller(), state().clock()
    with writing() as session:
        get_rule_seen_by(session, alert_id, who.customer_id)
        check_match(ALERT, lambda: alert_view(session, get_rule(session, alert_id, lock=True).id))
        if who.customer_id is None:
            manage_alerts.change_alert(session, alert_id, changes, actor=who.actor, now=now)
        else:
            more: dict[str, Any] = {"customer_id": who.customer_id, "actor": who.actor, "now": now}
            own_alerts.change_own_alert(session, alert_id, changes, **more)
        return alert_view(session, alert_id)


@blp.route(_ONE, methods=["DELETE"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.response(200, ALERT)
def end_alert(alert_id: str) -> AlertView:
    """End an alert: it tells nothing more, and what it told stays to be read. A user ends what it made itself."""
    who, now = caller(), state().clock()
    with writing() as session:
        if who.customer_id is None:
            manage_alerts.end_alert(session, alert_id, actor=who.actor, now=now)
        else:
            own_alerts.end_own_alert(session, alert_id, customer_id=who.customer_id, actor=who.actor, now=now)
        return alert_view(session, alert_id)


@blp.route(f"{_ONE}/firings", methods=["GET"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.arguments(FiringsQuery, location="query")
@blp.response(200, page_of(FIRING))
def list_alert_firings(query: dict[str, Any], alert_id: str) -> dict[str, Any]:
    """List what an alert told, the newest first. A user sees that of alerts that it may see."""
    with read_only(state().engine) as session:
        get_rule_seen_by(session, alert_id, caller().customer_id)
        return listed(
            session,
            firings_of(alert_id, **filters_of(query)),
            query,
            noun=FIRING,
            by=[AlertFiring.id],
            kind=BY_ID,
            newest_first=True,
            viewed=lambda rows: firing_views(session, rows),
        )


@blp.route(f"{_ONE}/test", methods=["POST"])
@requires(WEBHOOKS_MANAGE, users=True)
@blp.response(202, ALERT_TESTED)
def test_alert(alert_id: str) -> dict[str, str]:
    """Tell an event of the alert that is marked `test`, within seconds; nothing has fired. A user tries its own."""
    who, now = caller(), state().clock()
    with writing() as session:
        if who.customer_id is None:
            manage_alerts.test_alert(session, alert_id, now=now)
        else:
            own_alerts.test_own_alert(session, alert_id, customer_id=who.customer_id, now=now)
    return {"alert_id": alert_id}
