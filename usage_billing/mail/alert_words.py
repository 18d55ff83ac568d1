"""What a mail says of an alert. Pure."""

from typing import Any

from usage_billing.mail.words import Told, Words, cut, days_between
from usage_billing.wire.event_type import EventType


def alert_words(told: Told) -> Words:
    """What was reached, or is back, with its figures."""
    said, data = told.said, told.data
    headline = _headline(told)
    rows = [] if told.for_customer else [(said.text("Customer"), cut(data["userId"]))]
    value = {
        "balance": said.text("Available"),
        "projected": said.text("Expected"),
        "anomaly": said.text("Used today"),
    }.get(data["on"], said.text("Used"))
    if data.get("value") is not None:
        rows.append((value, _amount(told, data["value"])))
    if data.get("limit") is not None:
        limit = said.text("Usual") if data["on"] == "anomaly" else said.text("100 % are")
        rows.append((limit, _amount(told, data["limit"])))
    if data.get("periodStart") and data.get("periodEnd"):
        rows.append((said.text("Period"), said.days(days_between(data["periodStart"], data["periodEnd"], told.zone))))
    rows.append((said.text("Alert"), cut(data["ruleId"])))
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("Nothing is switched off."),
        rows=tuple(rows),
        path=_place(told),
        button=said.text("See the wallet") if data["on"] == "balance" else said.text("See the usage"),
    )


def _headline(told: Told) -> str:
    """What an alert says in one line."""
    said, data = told.said, told.data
    on, in_percent = data["on"], data["on"] == "percent" or data.get("basis") == "granted"
    name = cut(data.get("walletId") or told.unit or data["usageType"] or said.text("All use"))
    lines = data.get("crossed") or [data.get("to")]
    line = lines[-1] if on == "balance" else lines[0]
    if told.type == EventType.ALERT_RESOLVED:
        above, below = said.text("{what}: above what was told before"), said.text("{what}: below what was told before")
        text = above if on == "balance" else below
    elif on == "balance" and in_percent:
        text = said.text("{what}: {number} % or less are left")
    elif on == "balance":
        text = said.text("{what}: {amount} or less are left")
    elif on == "projected":
        text = said.text("{what}: {amount} are expected by the end of the period")
    elif on == "anomaly":
        text = said.text("{what}: much more is used today than is usual")
    elif in_percent:
        text = said.text("{what}: {number} % are reached")
    else:
        text = said.text("{what}: {amount} are reached")
    number = said.number(str(line or 0)) if in_percent else ""
    return text.format(what=name, number=number, amount="" if in_percent else _amount(told, line))


def _place(told: Told) -> str:
    """The page that a mail of an alert leads to."""
    data = told.data
    if data["on"] == "balance":
        return "/portal/wallets" if told.for_customer else f"/admin/wallets/{data['walletId']}"
    return "/portal/usage" if told.for_customer else f"/admin/subscriptions/{data['subscriptionId']}"


def _amount(told: Told, value: Any) -> str:
    """A figure of an alert, in units or money; an em dash where there is none."""
    if value is None:
        return "\u2014"
    currency = told.data.get("currency")
    return told.said.money(value, currency) if currency else told.said.number(value)
