"""A billing period that was cut hundreds of times is proven in time that grows with the cuts, not with their square."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from usage_billing.reports.verify import allowance, periods, together
from usage_billing.reports.verify.terms import Agreement, Catalogue

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)


class Row(msgspec.Struct, kw_only=True):
    """What ``verify`` reads of plans, terms, versions of quotas and summaries, in one."""

    id: Any = None
    plan_id: str = "a"
    own: str = ""
    first: bool = False
    effective: str = "now"
    immediate: bool = True
    effective_from: datetime = BEGUN
    ended_at: datetime | None = None
    monthly_limit: Decimal | None = Decimal(50)
    price: dict[str, Any] = {}
    currency: str = "USD"
    interval: str = "month"
    interval_count: int = 1
    proration: str = "time"
    prorates_edges: bool = False
    on_downgrade: str = "keep"
    starts_at: datetime = BEGUN
    ends_at: datetime | None = None
    paused: bool = False
    total: Decimal = Decimal(7)
    beyond_limit: Decimal = Decimal(2)
    covered: Decimal = Decimal(0)
    beyond_events: int = 1
    frozen: bool = False
    to_rate: bool = False


def often_cut(versions: int) -> tuple[Catalogue, Agreement]:
    """Two plans, each with a version of a quota every half hour, and a move from one to the other."""
    moved = BEGUN + timedelta(days=5)
    plans = {"a": Row(id="a", on_downgrade="charge"), "b": Row(id="b", proration="days")}
    quotas: dict[tuple[str, str, str], list[Any]] = {}
    for number in range(versions):
        for plan, since in (("a", BEGUN), ("b", moved)):
            price = {"model": "per_unit", "unitPrice": str(number % 3 + 1), "minimumAmount": "2", "maximumAmount": "90"}
            at = since + number * timedelta(minutes=30)
            version = Row(id=2 * number + (plan == "b"), plan_id=plan, effective_from=at, price=price)
            quotas.setdefault((plan, "calls", ""), []).append(version)
    terms = [Row(ends_at=moved), Row(plan_id="b", starts_at=moved)]
    return Catalogue(plans, quotas, {}), Agreement("UTC", None, 1, BEGUN, terms)


def calls_for(versions: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, int]:
    """How many segments there are, shares are asked for and amounts are rated."""
    catalogue, agreement = often_cut(versions)
    calls = {"share": 0, "due": 0}

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            calls[name] += 1
            return call(*args, **more)

        return counted

    with monkeypatch.context() as patch:
        for module, function, name in (
            (allowance, "share_over", "share"),
            (together, "share_over", "share"),
            (together, "due", "due"),
        ):
            patch.setattr(module, function, counting(name, getattr(module, function)))
        parts = catalogue.parts(agreement, "s", "calls", BEGUN)
        found = periods._derive_period(
            None, parts, [Row(id=place) for place in range(len(parts))], agreement, level=None
        )
    assert len(found) == len(parts)
    assert all(one.due is not None for one in found.values())
    return len(parts), calls["share"], calls["due"]


def test_twice_as_many_cuts_take_twice_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (calls_for(versions, monkeypatch) for versions in (60, 120))
    assert (few[0], many[0]) == (120, 240)
    assert [later / earlier for earlier, later in zip(few, many, strict=True)] == pytest.approx([2, 2, 2], abs=0.1)
