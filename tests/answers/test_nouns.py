"""Every answer is described in ``usage_billing.wire``, in the domain's own words, and every description is used."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

import usage_billing.wire
from api.schemas.output import output_of
from tests.architecture.sources import sources
from usage_billing.access.principal import SCOPES as KEY_SCOPES
from usage_billing.balances.models import CreditKind
from usage_billing.billing_runs.models import BillingRun
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.models import Plan, UsageType
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import UsageInvoiceItem
from usage_billing.metering.states import QuarantineStatus
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.models import Subscription
from usage_billing.wire.billing_run import RUN
from usage_billing.wire.credit import CREDIT_ENTRY
from usage_billing.wire.event import CATALOGUE
from usage_billing.wire.invoice import INVOICE, INVOICE_ITEM
from usage_billing.wire.key import SCOPES
from usage_billing.wire.kinds import PLAIN, Choice, Currency, Instant, Money, Quantity
from usage_billing.wire.noun import Field, Many, Noun, show
from usage_billing.wire.plan import PLAN
from usage_billing.wire.quarantined import QUARANTINED
from usage_billing.wire.subscription import SUBSCRIPTION
from usage_billing.wire.usage_type import USAGE_TYPE

NOUNS = {
    value.name: value
    for module in iter_modules(usage_billing.wire.__path__)
    for value in vars(import_module(f"usage_billing.wire.{module.name}")).values()
    if isinstance(value, Noun)
}


def refs(part: Any) -> Iterator[str]:
    """The schemas that a part of the document names."""
    if isinstance(part, dict):
        yield from ([part["$ref"].rpartition("/")[2]] if "/schemas/" in part.get("$ref", "") else [])
        for inner in part.values():
            yield from refs(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from refs(inner)


TOLD = {"InvoiceFact", *(described.data.name for described in CATALOGUE.values())}
"""Nouns that stand in events alone."""

ELSEWHERE = {"AuditEntry", "OperatorLink"}
"""Nouns that the admin pages or a command show, and no answer over HTTP."""


def test_every_schema_that_shows_something_comes_from_the_wire(client: FlaskClient) -> None:
    document = client.get("/api/openapi.json").json
    schemas = document["components"]["schemas"]
    operations = [op for path in document["paths"].values() for op in path.values() if "responses" in op]
    shown, asked = {*refs(document["components"]["responses"])}, {*refs([op.get("requestBody") for op in operations])}
    shown |= {*refs([op["responses"] for op in operations])}
    while more := {*refs([schemas[name] for name in shown])} - shown:
        shown |= more
    asked |= {*refs([schemas[name] for name in asked])}
    pages = {name for name in shown if name.endswith("Page") and name not in NOUNS}
    told = {*refs(document["webhooks"])}
    while more := {*refs([schemas[name] for name in told])} - told:
        told |= more
    assert shown - pages == set(NOUNS) - TOLD - ELSEWHERE
    assert told - shown == TOLD
    assert {name.removesuffix("Page") for name in pages} < set(NOUNS)
    # flask-smorest describes a header of its own.
    assert set(schemas) - shown - asked - told == {"PaginationMetadata"}
    assert shown & asked == set()
    assert len(shown) == 138


@pytest.mark.parametrize("noun", NOUNS.values(), ids=NOUNS)
def test_a_noun_says_what_each_field_is(noun: Noun) -> None:
    assert noun.says.endswith(".")
    assert [field.name for field in noun.fields if not field.says.endswith(".")] == []
    assert len({field.name for field in noun.fields}) == len(noun.fields)
    assert [field.name for field in noun.fields if not re.fullmatch("[a-z][A-Za-z0-9]*", field.name)] == []
    assert next(iter(output_of(noun)().fields.values())).data_key == noun.fields[0].name


def words(noun: Noun, name: str) -> set[str]:
    """The words that a field of ``noun`` may be."""
    kind = next(field.kind for field in noun.fields if field.name == name)
    assert isinstance(kind, Choice)
    return set(kind.words)


@pytest.mark.parametrize(
    ("noun", "name", "table", "column"),
    [
        (PLAN, "interval", Plan, "interval"),
        (PLAN, "baseFeeTiming", Plan, "base_fee_timing"),
        (PLAN, "proration", Plan, "proration"),
        (USAGE_TYPE, "aggregation", UsageType, "aggregation"),
        (SUBSCRIPTION, "anchor", Subscription, "anchor"),
        (INVOICE_ITEM, "kind", UsageInvoiceItem, "kind"),
        (RUN, "status", BillingRun, "status"),
    ],
)
def test_its_words_are_those_of_the_table(noun: Noun, name: str, table: Any, column: str) -> None:
    checks = [str(check.sqltext) for check in table.__table__.constraints if hasattr(check, "sqltext")]
    (check,) = (check for check in checks if re.match(rf"{column} IN \(", check))
    assert words(noun, name) == set(re.findall(r"'(\w+)'", check))


def test_its_words_are_those_of_the_rules() -> None:
    assert words(PLAN, "baseFeeTiming") == set(FeeTiming)
    assert words(SUBSCRIPTION, "anchor") == set(Anchor)
    assert words(INVOICE, "status") == set(InvoiceStatus)
    assert words(QUARANTINED, "status") == set(QuarantineStatus)
    assert words(CREDIT_ENTRY, "kind") == set(CreditKind)
    assert SCOPES.words == KEY_SCOPES


THING = Noun("Thing", "A thing.", (Field("amount", Money(), "Its price."),))
BASKET = Noun(
    "Basket",
    "Things.",
    (
        Field("currency", Currency(), "Theirs."),
        Field("madeAt", Instant(), "When."),
        Field("weight", Quantity(), "In kg.", nullable=True),
        Field("note", PLAIN, "What is left out.", nullable=True, optional=True),
        Field("colour", PLAIN, "Of the row.", nullable=True, attribute="row.paint.colour"),
        Field("things", Many(THING), "They."),
    ),
)


def test_a_thing_is_read_by_attribute_or_name() -> None:
    made = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    thing = SimpleNamespace(amount=Decimal("1.5"))
    beside = {"made_at": made, "weight": None, "note": None, "row": None, "things": [thing, {"amount": Decimal(2)}]}
    assert show(BASKET, {"currency": "JPY", **beside})["things"] == [{"amount": "2"}, {"amount": "2"}]
    whole = show(BASKET, SimpleNamespace(currency="USD", **beside))
    assert list(whole) == ["currency", "madeAt", "weight", "colour", "things"]
    assert whole == {
        "currency": "USD",
        "madeAt": "2026-01-31T12:00:00Z",
        "weight": None,
        "colour": None,
        "things": [{"amount": "1.50"}, {"amount": "2.00"}],
    }
    painted = {"currency": "KWD", **beside, "row": SimpleNamespace(paint={"colour": "red"}), "note": "n"}
    assert (show(BASKET, painted)["colour"], show(BASKET, painted)["note"]) == ("red", "n")
    assert show(BASKET, painted | {"made_at": datetime(2026, 1, 1, tzinfo=UTC)})["madeAt"] == "2026-01-01T00:00:00Z"


def test_a_thing_without_what_is_promised_is_an_error() -> None:
    with pytest.raises(AttributeError):
        show(THING, SimpleNamespace())
    with pytest.raises(KeyError):
        show(THING, {})


def test_no_oracle_knows_how_things_are_shown() -> None:
    """They would repeat a mistake of it."""
    oracles = [file for file in sources("tests/money", "tests/faults") if "usage_billing.wire" in file.text]
    assert [file.name for file in oracles] == []
