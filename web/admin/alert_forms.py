"""What an operator changes of alerts: made, changed, tried, ended."""

from typing import Any

from sqlalchemy.orm import Session

from usage_billing.alerts.queries import get_rule
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, QUANTITY
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.alerting import manage_alerts
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.wire.alert import BASES
from web.admin.alert_boxes import USUAL, lines_boxes, to_box
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change

_SCOPES = {
    "subscriptionId": "subscription_id",
    "planId": "plan_id",
    "userId": "customer_id",
    "walletId": "wallet_id",
}
_SCOPE_CHOICES = (
    ("subscriptionId", "a subscription"),
    ("planId", "the subscriptions on a plan"),
    ("userId", "a customer"),
    ("walletId", "a wallet"),
    ("all", "everything"),
)
_ON = (
    ("percent", "a percentage of the allowance, or of money"),
    ("units", "units used in the period"),
    ("amount", "what the use of the period costs so far"),
    ("balance", "what is available in a wallet, falling"),
    ("projected", "what the use of the period will cost at its end"),
    ("anomaly", "a day that is unlike the same weekdays before"),
)


def _new(session: Session) -> Form:
    return Form(
        title="New alert",
        says="It is told once when its line is reached. What is reached already is told within seconds.",
        verb="Make the alert",
        current="alerts",
        back=address("alerts"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER, required=False, help="One is made, if empty."),
            Box(name="scope", label="For", type="choice", choices=_SCOPE_CHOICES, value="subscriptionId"),
            Box(name="of", label="Its id", kind=IDENTIFIER, required=False, help="Empty for everything."),
            Box(name="on", label="What is compared", type="choice", choices=_ON, value="percent"),
            Box(
                name="usageType",
                label="Of the usage type",
                kind=IDENTIFIER,
                required=False,
                help="Each by itself, if empty; money of all together.",
            ),
            Box(
                name="basis",
                label="100 percent are",
                type="choice",
                choices=USUAL + tuple((one, one) for one in BASES),
                required=False,
            ),
            Box(name="amount", label="The money that is 100 percent of spend", kind=QUANTITY, required=False),
            Box(
                name="currency",
                label="Currency of its money",
                required=False,
                help="That of the subscription, the plan or the wallet, if empty.",
            ),
            *lines_boxes(),
            to_box(session),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    scope, of = values["scope"], values["of"]
    if (of is None) != (scope == "all"):
        raise InvalidInput.field("/of", "must be empty for everything, and else given", code="contradiction")
    named: dict[str, Any] = {"everything": True} if scope == "all" else {_SCOPES[scope]: of}
    new = NewAlert(
        id=values["id"],
        watches=values["on"],
        usage_type=values["usageType"],
        basis=values["basis"],
        amount=values["amount"],
        currency=values["currency"],
        thresholds=values["thresholds"],
        every=values["every"],
        resolve=values["resolve"] == "yes",
        rearm=values["rearm"],
        rearm_above=values["rearmAbove"],
        late=values["late"],
        to=values["to"],
        **named,
    )
    made = manage_alerts.create_alert(session, new, actor=operator.actor, now=operator.now)
    return Done(address("alerts", made.id))


def _changed(session: Session, alert_id: str) -> Form:
    rule = get_rule(session, alert_id)
    return _about(
        alert_id,
        title=f"Change {alert_id}",
        says="What was told stays told; new lines are judged within seconds.",
        verb="Change it",
        boxes=[*lines_boxes(rule), to_box(session, rule)],
    )


def _change(session: Session, operator: Operator, values: dict[str, Any], alert_id: str) -> Done:
    rule = get_rule(session, alert_id)
    known: dict[str, Any] = {
        "thresholds": sorted(rule.thresholds) if rule.thresholds else None,
        "every": rule.every,
        "resolve": rule.resolve,
        "rearm": rule.rearm,
        "rearm_above": rule.rearm_above,
        "late": rule.late,
        "to": rule.told_to,
    }
    wanted: dict[str, Any] = {
        "thresholds": list(values["thresholds"]) if values["thresholds"] else None,
        "every": values["every"],
        "resolve": values["resolve"] == "yes",
        "rearm": values["rearm"],
        "rearm_above": values["rearmAbove"],
        "late": values["late"],
        "to": values["to"],
    }
    changes = {name: value for name, value in wanted.items() if value != known[name]}
    if {"thresholds", "every"} & changes.keys():
        changes |= {"thresholds": wanted["thresholds"], "every": wanted["every"]}
    if changes:
        manage_alerts.change_alert(session, alert_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("alerts", alert_id))


def _tried(session: Session, alert_id: str) -> Form:
    get_rule(session, alert_id)
    says = "An event of it is told that is marked as a test, within seconds. Nothing has fired."
    return _about(alert_id, title=f"Try {alert_id}", says=says, verb="Tell a test")


def _try(session: Session, operator: Operator, _values: dict[str, Any], alert_id: str) -> Done:
    manage_alerts.test_alert(session, alert_id, now=operator.now)
    return Done(address("alerts", alert_id))


def _ended(session: Session, alert_id: str) -> Form:
    get_rule(session, alert_id)
    says = "It tells nothing more. What it told stays to be read, and its id stays taken."
    return _about(alert_id, title=f"End {alert_id}", says=says, verb="End it", danger=True)


def _end(session: Session, operator: Operator, _values: dict[str, Any], alert_id: str) -> Done:
    manage_alerts.end_alert(session, alert_id, actor=operator.actor, now=operator.now)
    return Done(address("alerts", alert_id))


def _about(alert_id: str, **said: Any) -> Form:
    return Form(current="alerts", back=address("alerts", alert_id), **said)


_of_one = "/alerts/<identifier:alert_id>/{}".format
change("/alerts/new", "new_alert", _new, _create)
change(_of_one("change"), "alert_change", _changed, _change)
change(_of_one("test"), "alert_test", _tried, _try)
change(_of_one("end"), "alert_end", _ended, _end)
