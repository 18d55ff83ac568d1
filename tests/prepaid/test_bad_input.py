"""Bad input about wallets, grants, schedules, refunds and top-ups: each is refused with a code and changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.conftest import Cli, cli
from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.support.refusals import TYPED, Doors, Row
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.doctor.wallets import check_wallets

__all__ = ["cli"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GRANT = {"amount": "5", "idempotencyKey": "k"}
RULE = {"below": "10", "amount": "50"}
SCHEDULE = {"amount": "5", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m"}
FIRST, SECOND, LOCAL = "2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z", "2026-07-01T00:00:00"
W, M = "/api/wallets/w", "/api/wallets/m"
ONCE = ("--key", "k")


@pytest.fixture
def doors(house: House, cli: Cli) -> Doors:
    """A wallet of calls, and one of dollars."""
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    return Doors(house.engine, house.admin, cli)


def grant(says: str, *typed: str, into: str = "w", code: int = 2, typed_says: str = "", **sent: Any) -> Row:
    """A grant that is refused; typed without the amount, which is 5 unless said otherwise."""
    amount = () if "--amount" in typed else ("--amount", "5")
    command = ("wallets", "grant", into, *amount, *ONCE, *typed)
    return Row(GRANT | sent, command, says, code=code, typed_says=typed_says, path=f"/api/wallets/{into}/grants")


def no_option(says: str, into: str = "w", **sent: Any) -> Row:
    """A grant that is refused for a field for which there is no option."""
    return Row(GRANT | sent, None, says, path=f"/api/wallets/{into}/grants")


def amount(one: str, into: str = "w", typed_says: str = "") -> Row:
    return grant("/amount", "--amount", one, into=into, typed_says=typed_says, amount=one)


def priority(one: float) -> Row:
    return grant("/priority", "--priority", str(one), typed_says=TYPED, priority=one)


GRANTS = {
    "nothing": amount("0"),
    "less than nothing": amount("-1", typed_says=TYPED),
    "no number": amount("NaN", typed_says=TYPED),
    "infinitely much": amount("Infinity", typed_says=TYPED),
    "more than 12 places": amount("0.0000000000001", typed_says=TYPED),
    "less than a cent": amount("1.001", into="m"),
    "it ends when it begins": grant(
        "/expiresAt", "--effective", FIRST, "--expires", FIRST, effectiveAt=FIRST, expiresAt=FIRST
    ),
    "it ends before it begins": grant(
        "/expiresAt", "--effective", SECOND, "--expires", FIRST, effectiveAt=SECOND, expiresAt=FIRST
    ),
    "it reaches forward": grant(
        "/coversSince", "--effective", FIRST, "--covers-since", SECOND, effectiveAt=FIRST, coversSince=SECOND
    ),
    "a start without offset": grant("/effectiveAt", "--effective", LOCAL, typed_says=TYPED, effectiveAt=LOCAL),
    "an end without offset": grant("/expiresAt", "--expires", LOCAL, typed_says=TYPED, expiresAt=LOCAL),
    "a reach without offset": grant("/coversSince", "--covers-since", LOCAL, typed_says=TYPED, coversSince=LOCAL),
    "in another currency": no_option("/currency", into="m", currency="EUR"),
    "in another unit": no_option("/unitName", unitName="pages"),
    "for what another wallet pays for": grant("/usageTypes/0", "--usage-type", "pages", code=3, usageTypes=["pages"]),
    "for what there is not": grant("/usageTypes/0", "--usage-type", "none", into="m", code=3, usageTypes=["none"]),
    "for a subscription that there is not": grant(
        "/subscriptionIds/0", "--subscription", "none", code=3, subscriptionIds=["none"]
    ),
    "of a category that is made": grant("/category", "--category", "rollover", typed_says=TYPED, category="rollover"),
    "bought for nothing": grant("/category", "--category", "purchased", category="purchased"),
    "a priority above 100": priority(101),
    "a priority below 0": priority(-1),
    "half a priority": priority(1.5),
    "into no wallet": Row(
        GRANT,
        ("wallets", "grant", "none", "--amount", "5", *ONCE),
        "not_found",
        404,
        3,
        path="/api/wallets/none/grants",
    ),
}


def recurring(says: str, percent: int) -> Row:
    typed = ("wallets", "recur", "w", "--amount", "5", "--every", "month", "--until-next", "--key", "m", "--rollover")
    sent = SCHEDULE | {"rollover": {"maxPercent": percent}}
    return Row(sent, (*typed, "1", "--rollover-percent", str(percent)), says, typed_says=TYPED, path=f"{W}/schedules")


def unused(says: str, percent: int) -> Row:
    """Of a quota's allowance."""
    typed = ("quotas", "create", "--plan", "p", "--usage-type", "calls", "--limit", "10", "--unit-price", "2")
    sent = {"planId": "p", "usageType": "calls", "monthlyLimit": "10", "unitPrice": "2"}
    sent |= {"rollover": {"maxPercent": percent}}
    more = ("--rollover", "1", "--rollover-percent", str(percent))
    return Row(sent, (*typed, *more), says, typed_says=TYPED, path="/api/quotas")


ROLLOVERS = {
    f"{percent} percent {of.__name__}": of("/rollover/maxPercent", percent)
    for of in (recurring, unused)
    for percent in (0, 101)
}


def wallet(says: str, *typed: str, status: int = 409, code: int = 2, **sent: Any) -> Row:
    command = ("wallets", "create", "x", "--customer", "ann", *typed)
    return Row({"id": "x", "userId": "ann"} | sent, command, says, status, code, path="/api/wallets")


CALLS = ("--unit", "calls", "--usage-type", "calls")
OVERLAPS = "overlapping_wallet"
WALLETS = {
    "a second one for calls": wallet(OVERLAPS, *CALLS, unit=WALLET["unit"]),
    "one of a subscription beside it": wallet(
        OVERLAPS, *CALLS, "--subscription", "s", unit=WALLET["unit"], subscriptionId="s"
    ),
    "a second one for dollars": wallet(OVERLAPS, "--currency", "USD", unit={"currency": "USD"}),
    "one of a subscription for dollars": wallet(
        OVERLAPS, "--currency", "USD", "--subscription", "t", unit={"currency": "USD"}, subscriptionId="t"
    ),
    "in no currency": wallet("/unit/currency", "--currency", "XXY", status=422, unit={"currency": "XXY"}),
}


def rule(says: str, *typed: str, typed_says: str = "", **sent: Any) -> Row:
    return Row(sent, ("wallets", "top-up-rule", "w", *typed), says, typed_says=typed_says, path=f"{W}/top-up-rule")


NEVER = {"count": 0, "per": "day"}
RULES = {
    "up to what it is below of": rule("/upTo", "--below", "10", "--up-to", "10", below="10", upTo="10"),
    "up to less": rule("/upTo", "--below", "10", "--up-to", "9", below="10", upTo="9"),
    "at most never": rule(
        "/atMost/count",
        *("--below", "10", "--amount", "50", "--at-most", "0", "--per", "day"),
        typed_says=TYPED,
        **RULE | {"atMost": NEVER},
    ),
    "below nothing": rule("/below", "--below", "0", "--amount", "50", **RULE | {"below": "0"}),
    "for nothing": rule("/amount", "--below", "10", "--amount", "0", **RULE | {"amount": "0"}),
}


@pytest.mark.parametrize("rows", [GRANTS, ROLLOVERS, WALLETS, RULES], ids=["grants", "rollovers", "wallets", "rules"])
def test_what_cannot_be_is_refused_at_both_doors_and_changes_nothing(
    house: House, doors: Doors, rows: dict[str, Row]
) -> None:
    house.ok("POST", "/api/usage-types", {"id": "pages", "unitName": "pages"})
    doors.try_each(rows)


def act(says: str, id: str, verb: str, *typed: str, status: int = 409, of: str = "grants", **sent: Any) -> Row:
    """Something done to a grant, or to a top-up, that is refused."""
    command = verb if of == "grants" else f"top-up-{verb}"
    return Row(sent or None, ("wallets", command, id, *typed), says, status, path=f"/api/{of}/{id}/{verb}")


def test_what_is_not_left_or_final_or_void_stays_as_it_is(house: House, doors: Doors) -> None:
    given, bought = house.grant(20, idempotencyKey="a")["id"], house.grant(9, cost="9.00", priority=90)["id"]
    again = ("wallets", "grant", "w", "--amount", "5", "--key", "a")
    of_key = {"amount": "9.5", "idempotencyKey": "r"}
    doors.try_each(
        {
            "a key with other content": Row(
                GRANT | {"idempotencyKey": "a"}, again, "conflicting_grant", 409, path=f"{W}/grants"
            ),
            "more than is left": act("refund_too_large", bought, "refund", "--amount", "9.5", "--key", "r", **of_key),
            "nothing": act(
                "/amount", bought, "refund", "--amount", "0", "--key", "r", status=422, **of_key | {"amount": "0"}
            ),
            "of what was given": act("grant_given", given, "refund"),
        }
    )
    house.ok("POST", f"/api/grants/{bought}/void")
    doors.try_each({verb: act("already_void", bought, verb) for verb in ("refund", "void")})
    house.use(25, at=JUNE + DAY)
    house.bill(JULY + 2 * HOUR)
    doors.try_each(
        {"posted": act("grant_used", given, "void"), "all": act("grant_used", given, "void", "--used", used=True)}
    )
    house.verified()


def test_a_wallet_with_something_in_it_or_that_owes_is_not_closed(house: House, doors: Doors) -> None:
    house.grant(5)
    owing = {"id": "o", "userId": "ann", "subscriptionId": "t", "uncovered": "owe", "overdraft": "20"}
    house.ok("POST", "/api/usage-types", {"id": "pages", "unitName": "pages"})
    quota = {"planId": "p", "usageType": "pages", "monthlyLimit": "0", "unitPrice": "1"}
    house.ok("POST", "/api/quotas", quota | {"effective": "period"})
    house.ok("POST", "/api/wallets", owing | {"unit": {"unitName": "pages", "usageTypes": ["pages"]}})
    used = {"userId": "ann", "subscriptionId": "t", "usageType": "pages", "quantity": 3}
    house.ok("POST", "/api/usage/record", used | {"timestamp": house.clock.now.isoformat()})
    house.drain()
    assert house.ok("GET", "/api/wallets/o")["owed"] == "3"
    ids = {"something is left": "w", "it owes": "o"}
    doors.try_each(
        {
            name: Row(None, ("wallets", "close", id), "wallet_not_empty", 409, path=f"/api/wallets/{id}/close")
            for name, id in ids.items()
        }
    )
    house.verified()


def test_a_wallet_in_a_currency_of_no_plan_is_made_with_a_warning_and_doctor_names_it(house: House, cli: Cli) -> None:
    made = house.ok("POST", "/api/wallets", {"id": "e", "userId": "ann", "unit": {"currency": "EUR"}})
    assert made["warning"] == "no plan of the customer charges in EUR"
    typed = cli("wallets", "create", "g", "--customer", "ann", "--currency", "GBP", "--json").json
    assert typed["warning"] == "no plan of the customer charges in GBP"
    house.ok("POST", "/api/wallets/e/grants", GRANT)
    with read_only(house.engine) as session:
        assert "wallets_without_plan" in {one.code for one in check_wallets(session, now=house.clock.now)}


def test_a_top_up_is_answered_once_and_in_time(house: House, doors: Doors) -> None:
    def answers(says: str, id: str) -> dict[str, Row]:
        paid = act(says, id, "paid", "--cost", "5.00", of="top-ups", cost="5.00")
        return {"paid": paid, "failed": act(says, id, "failed", of="top-ups")}

    house.clock.now = datetime.now(UTC)
    for answer, body in (("failed", None), ("paid", {"cost": "5.00"})):
        house.ok("POST", f"{W}/top-up-rule", {"below": "100", "amount": "50"})
        asked = house.ok("GET", f"{W}/top-ups")["data"][0]["id"]
        house.ok("POST", f"/api/top-ups/{asked}/{answer}", body)
        doors.try_each(answers("top_up_answered", asked))
    house.ok("POST", f"{W}/top-up-rule", {"below": "100", "amount": "50"})
    asked = house.ok("GET", f"{W}/top-ups")["data"][0]["id"]
    with transaction(house.engine) as session:
        session.execute(
            text(
                "UPDATE wallet_top_ups SET asked_at = asked_at - interval '25 hours',"
                " expires_at = expires_at - interval '25 hours' WHERE id = :id"
            ),
            {"id": asked},
        )
    doors.try_each(answers("top_up_expired", asked))
    house.verified()
