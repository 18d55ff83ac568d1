"""A body that is right reaches its view as a value of the domain, made of exactly what the schema reads."""

from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import marshmallow as ma
import pytest

from api.schemas.api_keys import RotationSchema
from api.schemas.base import OneFieldSchema, ValueSchema
from api.schemas.catalog import NewPlanSchema, NewQuotaSchema
from api.schemas.customers import CustomerChangesSchema, NewSubscriptionSchema
from api.views import BLUEPRINTS
from usage_billing.access.rotation import Rotation
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core.changes import given
from usage_billing.customers.service import CustomerChanges
from usage_billing.subscriptions.anchors import Anchor

PRICED = {"usageType": "report", "monthlyLimit": "3"}
BY_UNIT = {"model": "per_unit", "unitPrice": "0.5"}


def schemas(kind: type[ValueSchema] = ValueSchema) -> list[type[ValueSchema]]:
    """Every schema that builds a value."""
    assert BLUEPRINTS
    return [found for below in kind.__subclasses__() for found in (below, *schemas(below))]


def test_a_plan() -> None:
    body = {"id": "gold", "name": "Gold", "currency": "USD", "prorateStartAndEnd": True, "baseFee": "9.90"}
    new = NewPlan(id="gold", name="Gold", currency="USD", prorates_edges=True, base_fee=Decimal("9.90"))
    assert NewPlanSchema().load(body) == new


def test_a_unit_price_is_a_price_and_effective_now_is_immediate() -> None:
    quota = NewQuota(plan_id="gold", usage_type="report", limit=Decimal(3), price=dict(BY_UNIT), effective="now")
    body = {"planId": "gold", **PRICED, "unitPrice": "0.50", "effective": "now"}
    assert NewQuotaSchema().load(body).new == quota


def test_a_subscription_with_quotas_of_its_own() -> None:
    body = {"id": "s", "userId": "u", "planId": "gold", "startedAt": "2026-01-01T00:00:00Z"}
    new = NewSubscriptionSchema().load(body | {"quotas": [PRICED | {"price": BY_UNIT}]})
    assert new.quotas == [OwnQuota(usage_type="report", limit=Decimal(3), price=dict(BY_UNIT))]
    assert (new.customer_id, new.anchor) == ("u", Anchor.CALENDAR)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"name": "Ann"}, CustomerChanges(name="Ann")),
        ({"email": None}, CustomerChanges(email=None)),
        ({"name": "Ann", "email": "a@b.example"}, CustomerChanges(name="Ann", email="a@b.example")),
    ],
)
def test_a_change_of_a_customer_has_what_was_given(body: dict[str, Any], changes: CustomerChanges) -> None:
    assert CustomerChangesSchema().load(body) == changes
    assert sorted(given(changes)) == sorted(body)


@pytest.mark.parametrize("schema", OneFieldSchema.__subclasses__())
def test_a_body_of_one_field_is_the_value_of_that_field(schema: type[OneFieldSchema]) -> None:
    (field,) = schema().fields.values()
    assert schema().load({field.data_key: "a text"}) == "a text"


def test_an_overlap_is_a_time() -> None:
    assert RotationSchema().load({"overlapSeconds": 90}) == Rotation(overlap=timedelta(seconds=90))
    assert RotationSchema().load({}) == Rotation()
    assert RotationSchema().load({"expiresAt": None}) == Rotation(expires_at=None)


def test_a_wrong_body_builds_nothing() -> None:
    with pytest.raises(ma.ValidationError):
        NewPlanSchema().load({"id": "gold"})


@pytest.mark.parametrize("schema", [schema for schema in schemas() if is_dataclass(getattr(schema, "builds", None))])
def test_defaults_are_those_of_the_domain(schema: type[ValueSchema]) -> None:
    """A body and a command that leave something out mean the same."""
    loaded = {name: field.load_default for name, field in schema().fields.items()}
    read: dict[str, Any] = {name: default for name, default in loaded.items() if default is not ma.missing}
    kept = {field.name: field.default for field in fields(schema.builds) if field.default is not MISSING}
    common = read.keys() & kept.keys() - {"quotas"}
    assert {name: read[name] for name in common} == {name: kept[name] for name in common}
