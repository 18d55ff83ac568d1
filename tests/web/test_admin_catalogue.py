"""The catalogue at the desk: versions side by side, dry runs, expressions tried before they are saved, what if."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import As
from tests.support.callers import Keys
from tests.web.conftest import Books, DeskBrowser
from tests.web.test_admin_invoices import _work
from tests.web.test_admin_subscriptions import audited
from tests.web.test_admin_today import WRITER, figures

PLAN = {
    "name": "Gold",
    "currency": "USD",
    "interval": "month",
    "intervalCount": "1",
    "baseFeeTiming": "arrears",
    "proration": "time",
    "prorateStartAndEnd": "no",
    "onDowngrade": "keep",
    "paymentDays": "14",
    "taxCategory": "S",
}
CAREFUL = {"repriceUsage": "no", "kind": "real"}


@pytest.fixture
def api(call_as: As, keys: Keys) -> FlaskClient:
    """A caller of the API that may do everything."""
    return call_as(keys.admin)


def test_a_plan_is_made_changed_and_given_versions(desk: DeskBrowser, engine: Engine, api: FlaskClient) -> None:
    page = desk.change("/admin/plans/new", id="gold", baseFee="40.00", **PLAN)
    assert "$40.00" in page
    assert "Golden" in desk.change("/admin/plans/gold/change", name="Golden", taxCategory="S", customerAlerts="yes")
    assert 'value="yes" selected' in desk.see("/admin/plans/gold/change")
    page = desk.change("/admin/plans/gold/base-fee", baseFee="50.00", effective="next_period", **CAREFUL)
    assert "was $40.00" in page
    versions: Any = api.get("/api/plans/gold/versions").json
    assert [one["baseFee"] for one in versions["data"]] == ["40", "50"]
    desk.change("/admin/usage-types/new", id="call", unitName="call", taxCategory="S", aggregation="sum")
    page = desk.change("/admin/plans/gold/quota", usageType="call", monthlyLimit="100", unitPrice="0.50", **CAREFUL)
    assert "100" in page
    tiers = '{"model": "graduated", "tiers": [{"upTo": "10", "unitPrice": "1"}, {"unitPrice": "0.5"}]}'
    page = desk.change(
        "/admin/plans/gold/quota",
        usageType="call",
        monthlyLimit="none",
        price=tiers,
        effective="next_period",
        **CAREFUL,
    )
    assert "was 100" in page
    quotas: Any = api.get("/api/quotas?planId=gold").json
    assert [(one["version"], one["monthlyLimit"]) for one in quotas["data"]] == [(1, "100"), (2, None)]
    assert [action for _, action in audited(engine, "plan:gold")][:2] == ["plan.created", "plan.changed"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"currency": "XYZ"}, "Must be"),
        ({"baseFee": "-1"}, "It "),
        ({"intervalCount": "0"}, "whole number from 1"),
        ({"id": "a b"}, "can be no id"),
        ({"taxCategory": "Q"}, "none of the choices"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_beside_its_field(
    desk: DeskBrowser, api: FlaskClient, fields: dict[str, str], says: str
) -> None:
    answer = desk.send("/admin/plans/new", **({"id": "gold", **PLAN} | fields))
    assert answer.status_code == 422
    assert says in answer.text
    assert api.get("/api/plans").json["data"] == []  # type: ignore[index]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"unitPrice": ""}, 422),
        ({"price": "{"}, 422),
        ({"price": '{"model": "per_unit", "unitPrice": "1"}'}, 422),
        ({"monthlyLimit": "many"}, 422),
        ({"usageType": "nothing"}, 422),
        ({"expectedDigest": "x"}, 422),
        ({"kind": "dry", "expectedDigest": "0" * 64}, 422),
        ({"effective": "sometime"}, 422),
    ],
)
def test_a_quota_that_cannot_be_is_refused(
    desk: DeskBrowser, used: Books, api: FlaskClient, fields: dict[str, str], status: int
) -> None:
    usual = {"usageType": "assessment", "monthlyLimit": "60", "unitPrice": "10.00", **CAREFUL}
    assert desk.send("/admin/plans/business/quota", **(usual | fields)).status_code == status
    assert len(api.get("/api/quotas?planId=business").json["data"]) == 1  # type: ignore[index]


def test_a_dry_run_of_a_plans_quota_is_a_run_and_held_to(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient
) -> None:
    fields = {"usageType": "assessment", "monthlyLimit": "60", "unitPrice": "10.00", "repriceUsage": "no"}
    run = desk.send("/admin/plans/business/quota", effective="period", kind="dry", **fields).headers["Location"]
    _work(engine, run)
    page = desk.see(run)
    shown: Any = api.get(f"/api/billing-runs/{run.rpartition('/')[2]}").json
    assert WRITER.money(shown["foreseen"]["difference"], "USD") in page
    assert len(api.get("/api/quotas?planId=business").json["data"]) == 1  # type: ignore[index]
    wrong = desk.send("/admin/plans/business/quota", effective="period", kind="real", expectedDigest="0" * 64, **fields)
    assert wrong.status_code == 409
    page = desk.change(
        "/admin/plans/business/quota", effective=shown["foreseen"]["effective"], kind="real",
        expectedDigest=shown["digest"], **fields,
    )  # fmt: skip
    assert "was 50" in page


def test_an_own_quota_is_looked_at_defined_and_ended(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient
) -> None:
    fields = {"usageType": "assessment", "monthlyLimit": "60", "unitPrice": "10.00", "repriceUsage": "no"}
    looked = desk.send("/admin/subscriptions/sub456/quota", effective="period", kind="dry", **fields)
    assert "What it would do" in looked.text
    assert figures(looked.text)["difference"] == "\u2212$20.00"
    page = desk.change("/admin/subscriptions/sub456/quota", effective="period", kind="real", **fields)
    (own,) = api.get("/api/quotas?subscriptionId=sub456").json["data"]  # type: ignore[index]
    assert f'href="/admin/quotas/{own["id"]}/end"' in page
    seen = desk.send(f"/admin/quotas/{own['id']}/end", effective="next_period", repriceUsage="no", kind="dry")
    assert "What it would do" in seen.text
    desk.change(f"/admin/quotas/{own['id']}/end", effective="next_period", **CAREFUL)
    (own,) = api.get("/api/quotas?subscriptionId=sub456").json["data"]  # type: ignore[index]
    assert own["effectiveUntil"] is not None
    (plans,) = [one for one in api.get("/api/quotas?planId=business").json["data"] if not one["subscriptionId"]]  # type: ignore[index]
    assert desk.client.get(f"/admin/quotas/{plans['id']}/end").status_code == 404


def test_a_meter_is_tried_made_changed_and_retired(
    desk: DeskBrowser, used: Books, engine: Engine, api: FlaskClient
) -> None:
    tried = desk.send(
        "/admin/usage-types/try", aggregation="sum", value="input + output", metadata='{"input": 3, "output": 4}'
    )
    assert ">7<" in tried.text
    assert 'value="input + output"' in tried.text
    last = desk.send(
        "/admin/usage-types/try",
        aggregation="sum",
        value="tokens",
        subscriptionId="sub456",
        of="assessment",
        last="100",
    )
    assert last.text.count("/admin/records/") == 100
    wrong = desk.send("/admin/usage-types/try", aggregation="sum", value="input +", metadata="{}")
    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    fields = {"taxCategory": "S", "aggregation": "sum", "value": "tokens", "dimensions": "model\nplace=region"}
    page = desk.change("/admin/usage-types/new-meter", id="tokens", of="assessment", **fields)
    assert "model" in page
    assert "place" in page
    change = {"unitName": "tokens", "taxCategory": "S", "value": "input", "dimensions": "model\nplace=region"}
    page = desk.change("/admin/usage-types/tokens/change", **change)
    assert "was tokens" in page
    definitions: Any = api.get("/api/usage-types/tokens/definitions").json
    assert [one["value"] for one in definitions["data"]] == ["input", "tokens"]
    assert "retired" in desk.change("/admin/usage-types/tokens/retire")
    assert audited(engine, "usage-type:tokens")[0] == ("key", "meter.created")


def test_a_quantity_is_made_by_an_expression(desk: DeskBrowser, api: FlaskClient) -> None:
    desk.change("/admin/usage-types/new", id="call", taxCategory="S", aggregation="sum", quantityFrom="a + b")
    page = desk.change("/admin/usage-types/call/change", unitName="call", taxCategory="S", quantityFrom="a")
    assert "was a + b" in page
    shown: Any = api.get("/api/usage-types/call").json
    assert shown["quantityFrom"] == "a"


def test_what_if(desk: DeskBrowser, used: Books) -> None:
    price = 'assessment={"model": "per_unit", "unitPrice": "5.00"}'
    answer = desk.send("/admin/plans/what-if", **{"from": "2026-10-01", "to": "2026-11-01", "prices": price})
    assert figures(answer.text)["difference-USD"] == "\u2212$15.00"
    assert "user123" in answer.text
    for wrong in ({"prices": ""}, {"prices": "x"}, {"from": "x"}, {"planId": "nothing"}):
        fields = {"from": "2026-10-01", "to": "2026-11-01", "prices": price} | wrong
        assert desk.send("/admin/plans/what-if", **fields).status_code in {404, 422}, wrong


def test_a_price_is_tried(desk: DeskBrowser, api: FlaskClient) -> None:
    price = '{"model": "per_unit", "unitPrice": "0.5"}'
    answer = desk.send("/admin/plans/try-a-price", price=price, currency="EUR", quantity="7")
    assert figures(answer.text)["preview"] == "€3.50"
    assert (
        desk.send("/admin/plans/try-a-price", price='{"model": "x"}', currency="EUR", quantity="7").status_code == 422
    )
    assert desk.send("/admin/plans/try-a-price", price=price, currency="E", quantity="7").status_code == 422
