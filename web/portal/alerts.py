"""Alerts that concern a customer, and what they told; where the plan allows it, the customer's own are set here."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from api.state import state, this_request
from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.queries import rules_where
from usage_billing.cli.frame.types import QUANTITY
from usage_billing.core.errors import FieldError, Forbidden, InvalidInput, NotFound, UsageBillingError
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.own_alerts import (
    change_own_alert,
    create_own_alert,
    end_own_alert,
    may_alert,
    own_alert,
)
from usage_billing.reports.alerts import alert_views, firing_views
from usage_billing.webhooks.queries import own_endpoints
from usage_billing.webhooks.states import EndpointKind
from usage_billing.wire.alert import ALERT, FIRING
from usage_billing.wire.noun import Shape, show
from web.cross_site import FIELD
from web.portal.prices import versions_in_force
from web.portal.visit import Visit

_MOST_RULES, _MOST_FIRINGS = 100, 50
KINDS = {
    "percent": "percent of the allowance",
    "units": "what is used in the period",
    "amount": "what use costs so far",
    "projected": "what use will cost by the end of the period",
    "anomaly": "a day unlike the same weekdays before",
    "balance": "what is available",
}
"""What an alert compares, by its word in the API."""
OWN_KINDS = tuple(name for name in KINDS if name != "balance")
"""What a customer's own may compare: those on its subscriptions."""
_REFUSALS = {
    "customer_alerts_off": "The plan of this subscription does not allow it any more.",
    "endpoint_not_own": "Choose among the ways that are shown.",
    "too_many_alerts": "There are many alerts of your own already. End one first.",
    "alert_ended": "This alert has ended. Make another one.",
}
"""What a customer reads of a refusal, by its code."""
_FIELDS = ("subscriptionId", "on", "usageType", "lines", "resolve", "to")


@dataclass(slots=True)
class Given:
    """What stands in the fields of a form, and what is wrong with it: by field, and as a whole."""

    texts: dict[str, Any]
    wrong: dict[str, str]
    whole: str = ""


def alerts(visit: Visit) -> dict[str, Any]:
    """The alerts over the customer, its subscriptions and its wallets, and the last that they and ended ones told."""
    statement = rules_where(seen_by=visit.customer_id, ended=False)
    rules = visit.session.scalars(statement.order_by("id").limit(_MOST_RULES)).all()
    also_ended = rules_where(seen_by=visit.customer_id).with_only_columns(AlertRule.id)
    fired = (
        select(AlertFiring)
        .where(AlertFiring.customer_id == visit.customer_id, AlertFiring.rule_id.in_(also_ended))
        .order_by(AlertFiring.id.desc())
        .limit(_MOST_FIRINGS)
    )
    firings = firing_views(visit.session, visit.session.scalars(fired).all())
    allowed = {one.id for one in visit.contracts if may_alert(visit.session, one, now=visit.now)}
    rows = [show(ALERT, one) for one in alert_views(rules)]
    return {
        "rows": [row | {"is_own": row["madeByCustomer"]} for row in rows],
        "firings": [
            show(FIRING, one) | {"on": one.rule.watches, "basis": one.rule.basis, "worth": one.currency}
            for one in firings
        ],
        "allowed": allowed,
        "kinds": KINDS,
    }


def form(visit: Visit, given: Given | None = None, rule: Shape | None = None) -> dict[str, Any]:
    """The form of a new alert, or of one that is there. Raises Forbidden where no plan of the customer allows any."""
    contracts = [one for one in visit.contracts if may_alert(visit.session, one, now=visit.now)]
    if not contracts:
        raise Forbidden("the plan does not let its customers set alerts", code="customer_alerts_off")
    types = sorted({name for one in contracts for name in versions_in_force(visit, one)})
    endpoints = own_endpoints(visit.session, visit.customer_id)
    chosen = visit.chosen.id if visit.chosen else ""
    first = {"subscriptionId": chosen, "on": "percent", "usageType": "", "lines": "", "resolve": "no", "to": []}
    return {
        "given": given or Given(texts=first, wrong={}),
        "rule": rule,
        "mine": [(one.id, one.id) for one in contracts],
        "types": types,
        "endpoints": [(one.id, one.url if one.kind == EndpointKind.WEBHOOK else None) for one in endpoints],
        "kinds": [(name, KINDS[name]) for name in OWN_KINDS],
    }


def form_of(visit: Visit, alert_id: str, given: Given | None = None) -> dict[str, Any]:
    """The form of an alert of the customer's own. Raises NotFound, Forbidden."""
    rule = own(visit, alert_id)
    texts = {
        "lines": " ".join(rule["thresholds"] or ()),
        "resolve": "yes" if rule["resolve"] else "no",
        "to": rule["to"] or [],
    }
    return form(visit, given or Given(texts=texts, wrong={}), rule)


def own(visit: Visit, alert_id: str) -> Shape:
    """An alert of the customer's own that holds. Raises NotFound, Forbidden."""
    (view,) = alert_views([own_alert(visit.session, alert_id, visit.customer_id)])
    rule = show(ALERT, view)
    if rule["endedAt"] is not None:
        raise NotFound(f"there is no alert {alert_id}")
    return rule


def read(visit: Visit) -> tuple[Given, dict[str, Any]]:
    """What a browser sent: as typed, and as values. Raises InvalidInput for a field that the form has not."""
    sent = this_request().form
    strays = [name for name in sent if name not in {FIELD, *_FIELDS}]
    if strays:
        fields = tuple(FieldError(name[:64], "is no field of this form", "unknown") for name in strays)
        raise InvalidInput("the form has wrong fields", fields=fields)
    texts: dict[str, Any] = {name: sent.get(name, "").strip() for name in _FIELDS} | {
        "to": [one for one in sent.getlist("to") if one]
    }
    given = Given(texts=texts, wrong={})
    lines: list[Decimal] = []
    for one in texts["lines"].split():
        try:
            lines.append(QUANTITY.read(one) or Decimal(0))
        except ValueError:
            given.wrong["lines"] = visit.writer.say("Numbers are written as 80 or 12.50, with spaces between them.")
    if not lines and not given.wrong:
        given.wrong["lines"] = visit.writer.say("Give at least one.")
    if not texts["to"]:
        given.wrong["to"] = visit.writer.say("Choose at least one.")
    if texts["on"] not in (*OWN_KINDS, ""):
        given.wrong["on"] = visit.writer.say("This is none of the choices.")
    return given, {"thresholds": lines, "to": texts["to"], "resolve": texts["resolve"] == "yes"}


def create(visit: Visit, given: Given, values: Mapping[str, Any]) -> None:
    """Make an alert as it was typed. Raises InvalidInput, NotFound, Forbidden, Conflict."""
    texts = given.texts
    new = NewAlert(
        watches=texts["on"] or "percent",
        subscription_id=texts["subscriptionId"] or None,
        usage_type=texts["usageType"] or None,
        **values,
    )
    with transaction(state().engine) as session:
        create_own_alert(session, new, **_who(visit))


def change(visit: Visit, alert_id: str, values: Mapping[str, Any]) -> None:
    """Change an alert as it was typed. Raises InvalidInput, NotFound, Forbidden, Conflict."""
    with transaction(state().engine) as session:
        change_own_alert(session, alert_id, dict(values), **_who(visit))


def end(visit: Visit, alert_id: str) -> None:
    """End an alert of the customer's own. Raises NotFound, Forbidden."""
    with transaction(state().engine) as session:
        end_own_alert(session, alert_id, **_who(visit))


def refused(visit: Visit, given: Given, error: UsageBillingError) -> Given:
    """What a flow says against a form, in the reader's language, beside its field where there is one."""
    pointers = [one.pointer.split("/")[1] for one in error.fields] if isinstance(error, InvalidInput) else []
    if pointers and set(pointers) <= {"thresholds"}:
        given.wrong["lines"] = visit.writer.say("Numbers above 0 that ascend; money with the places of its currency.")
        return given
    given.whole = visit.writer.say(_REFUSALS.get(error.code, "This alert cannot be set. Look at what it compares."))
    return given


def _who(visit: Visit) -> dict[str, Any]:
    customer = visit.customer_id
    return {"customer_id": customer, "actor": f"portal:{customer}", "now": visit.now}
