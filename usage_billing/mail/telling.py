"""What a mail says of an event: sentences and figures, in the reader's language. Pure.

Customers are told of some types alone, each in words of its own. Operators may be told of all: one without words of its
own is told by what the catalogue says of it.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from usage_billing.documents.content import day_text
from usage_billing.mail.alert_words import alert_words
from usage_billing.mail.words import Told, Words, cut, days_between
from usage_billing.wire.event import CATALOGUE
from usage_billing.wire.event_type import EventType

_ALERTS = (EventType.ALERT_TRIGGERED, EventType.ALERT_RESOLVED)
FOR_CUSTOMERS = tuple(map(str, (EventType.INVOICE_FINALIZED, EventType.QUOTA_EXCEEDED, *_ALERTS)))
"""The types of events that customers can be told of by mail."""


def words_of(told: Told) -> Words:
    """What a mail about an event says. Every text of others is one line, and cut where it is very long."""
    return _WORDS.get(told.type, _by_catalogue)(told)


def what_is_refused(type: str, data: Mapping[str, Any]) -> str:
    """What a customer turns off by the link of a mail about this: the rule of an alert, else the type."""
    rule = data.get("ruleId")
    return f"alert:{rule}" if type in _ALERTS and rule else type


def _invoice(told: Told) -> Words:
    said, invoice = told.said, told.data["invoice"]
    currency, number = invoice["currency"], cut(invoice["number"])
    due, due_at = said.money(invoice["amountDue"], currency), day_text(invoice["dueAt"], told.zone, said)
    if Decimal(invoice["amountDue"]) <= 0 or due_at is None:
        sentence = said.text("Nothing is to be paid.")
        subject = said.text("Invoice {number}: nothing is to be paid").format(number=number)
    else:
        sentence = said.text("{amount} is to be paid until {day}.").format(amount=due, day=due_at)
        subject = said.text("Invoice {number}: {amount} is to be paid until {day}").format(
            number=number, amount=due, day=due_at
        )
    if told.with_pdf:
        sentence += " " + said.text("The invoice is attached as a PDF.")
    period = said.days(days_between(invoice["periodStart"], invoice["periodEnd"], told.zone))
    total = invoice.get("totalWithTax") or invoice["total"]
    rows = [(said.text("Period"), period), (said.text("Total"), said.money(total, currency))]
    if Decimal(invoice["prepaidApplied"]):
        rows.append((said.text("Paid from prepaid credit"), said.money(invoice["prepaidApplied"], currency)))
    if Decimal(invoice["creditApplied"]):
        rows.append((said.text("Credit applied"), said.money(invoice["creditApplied"], currency)))
    rows.append((said.text("Amount due"), due))
    where = ("/portal/invoices/" if told.for_customer else "/admin/invoices/") + str(told.data["invoiceId"])
    headline = said.text("Invoice {number}").format(number=number)
    if not told.for_customer:
        rows.insert(0, (said.text("Customer"), cut(invoice["userId"])))
    return Words(
        subject=subject,
        headline=headline,
        sentence=sentence,
        rows=tuple(rows),
        path=where,
        button=said.text("See the invoice"),
    )


def _quota(told: Told) -> Words:
    said, data = told.said, told.data
    name = cut(told.unit or data["usageType"])
    headline = said.text("{what}: the allowance is used").format(what=name)
    rows = [] if told.for_customer else [(said.text("Customer"), cut(data["userId"]))]
    rows.append((said.text("Subscription"), cut(data["subscriptionId"])))
    if data.get("periodEnd"):
        days = days_between(data["periodStart"], data["periodEnd"], told.zone)
        rows.append((said.text("Period"), said.days(days)))
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("What is used beyond it from now on is charged. Nothing is switched off."),
        rows=tuple(rows),
        path="/portal/usage" if told.for_customer else f"/admin/subscriptions/{data['subscriptionId']}",
        button=said.text("See the usage"),
    )


def _failed_run(told: Told) -> Words:
    said, run = told.said, told.data["run"]
    headline = said.text("A billing run failed")
    rows = [(said.text("Run"), cut(run["id"]))]
    if run.get("error"):
        rows.append((said.text("Why"), cut(run["error"])))
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("No charge was made twice, and what was recorded is kept. Start it again."),
        rows=tuple(rows),
        path=f"/admin/runs/{run['id']}",
        button=said.text("See the run"),
    )


def _quarantined(told: Told) -> Words:
    said, data = told.said, told.data
    headline = said.text("Recordings could not be counted: {number}").format(number=said.number(str(data["count"])))
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("They are kept in quarantine until they are replayed or discarded."),
        rows=((said.text("Why"), cut(data["reason"])),),
        path="/admin/quarantine",
        button=said.text("See the quarantine"),
    )


def _disabled_endpoint(told: Told) -> Words:
    said, data = told.said, told.data
    headline = said.text("The endpoint {name} is disabled").format(name=cut(data["endpointId"]))
    reasons = {
        "by_hand": said.text("By hand"),
        "failing": said.text("Every try failed for five days"),
        "gone": said.text("It answered that it is gone (410)"),
    }
    rows = [(said.text("Why"), reasons.get(data["reason"], cut(data["reason"])))]
    if data.get("url"):
        rows.append((said.text("Address"), cut(data["url"])))
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("What happens is held for it, and goes out when it is enabled again."),
        rows=tuple(rows),
    )


def _test(told: Told) -> Words:
    said = told.said
    headline = said.text("A test of mail")
    return Words(
        subject=headline,
        headline=headline,
        sentence=said.text("Nothing happened. This address is told of events."),
        rows=((said.text("Endpoint"), cut(told.data["endpointId"])),),
    )


def _by_catalogue(told: Told) -> Words:
    """An event by what the catalogue says of its type, with its plain fields."""
    described = CATALOGUE[EventType(told.type)].when
    rows = [(name, cut(value)) for name, value in told.data.items() if isinstance(value, str | int)]
    return Words(subject=told.type, headline=told.type, sentence=told.said.text(described), rows=tuple(rows))


_WORDS: Mapping[str, Callable[[Told], Words]] = {
    EventType.INVOICE_FINALIZED: _invoice,
    EventType.QUOTA_EXCEEDED: _quota,
    EventType.ALERT_TRIGGERED: alert_words,
    EventType.ALERT_RESOLVED: alert_words,
    EventType.RUN_FAILED: _failed_run,
    EventType.RECORDING_QUARANTINED: _quarantined,
    EventType.ENDPOINT_DISABLED: _disabled_endpoint,
    EventType.ENDPOINT_TEST: _test,
}
