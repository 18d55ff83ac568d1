"""What is left of an occurrence is carried over, and follows late usage until that grant is closed."""

import json
import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.books import rows, scalars
from usage_billing.cli.group import usage_billing
from usage_billing.db.session import transaction
from usage_billing.reports.verify.books import find_differences

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
AUGUST = datetime.fromisoformat("2026-08-01T00:00:00Z")
_LEDGER = "SELECT kind, sum(amount) FROM wallet_transfers GROUP BY 1 ORDER BY 1"


def schedule(house: House, wallet: str = "w", **said: object) -> None:
    body = {"amount": "20", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m", "rollover": {}}
    house.ok("POST", f"/api/wallets/{wallet}/schedules", body | {"startsAt": JUNE.isoformat()} | said)


def grants(house: House, wallet: str = "w") -> list[tuple[str, str, str, str, str, str]]:
    """Category, amount, posted, provisional, rolledOver and left of each grant, in the order made."""
    names = ("category", "amount", "posted", "provisional", "rolledOver", "left")
    shown = house.grants(wallet)
    return [tuple(one[name] for name in names) for one in shown]  # type: ignore[misc]


def test_what_is_left_pays_first_in_the_next_month_and_late_usage_takes_it(house: House) -> None:
    schedule(house)
    house.use(22, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    assert grants(house) == [
        ("promotional", "20", "0", "12", "8", "0"),
        ("rollover", "8", "0", "0", "0", "8"),
        ("promotional", "20", "0", "0", "0", "20"),
    ]
    house.use(15, at=JULY)
    house.use(3, at=JUNE + 2 * DAY)
    late = [
        ("promotional", "20", "0", "15", "5", "0"),
        ("rollover", "5", "0", "5", "0", "0"),
        ("promotional", "20", "0", "0", "0", "20"),
    ]
    assert grants(house) == late
    shown = house.ok("GET", "/api/wallets/w")
    assert (shown["granted"], shown["rolledOver"], shown["available"]) == ("45", "5", "20")
    house.clock.now = JULY + 2 * 60 * MINUTE
    house.use(2, at=JUNE + 2 * DAY)  # after it closed: charged
    assert grants(house) == late
    assert house.close() == 1
    assert grants(house)[:2] == [("promotional", "20", "15", "0", "5", "0"), ("rollover", "5", "0", "5", "0", "0")]
    assert rows(house.engine, _LEDGER) == [("given", 40), ("rolled_in", 5), ("rolled_out", 5), ("used", 15)]
    house.verified()
    house.bill(JULY + DAY)
    assert house.invoices()[0] == ("finalized", "4.00", [("2", "15", "4.00")])
    house.bill(AUGUST + DAY)
    house.close()
    house.verified()


def test_what_was_carried_over_used_and_posted_comes_back_and_is_charged(house: House) -> None:
    begins = JULY - 30 * MINUTE
    schedule(house, every={"interval": "week"}, startsAt=(begins - 7 * DAY).isoformat())
    house.use(10, at=JUNE + DAY)
    house.clock.now = begins - DAY
    house.use(12, at=begins - 6 * DAY)
    house.clock.now = begins + 10 * MINUTE
    house.use(30, at=begins)
    house.bill(JULY + 5 * MINUTE)
    draft = house.ok("GET", "/api/invoices?subscriptionId=s")["data"][0]
    assert (draft["status"], draft["total"]) == ("draft", "4.00")
    house.ok("POST", f"/api/invoices/{draft['id']}/finalize")
    posted = [
        ("promotional", "20", "12", "0", "8", "0"),
        ("rollover", "8", "8", "0", "0", "0"),
        ("promotional", "20", "20", "0", "0", "0"),
    ]
    assert grants(house) == posted
    assert ("rolled_out", 8) in rows(house.engine, _LEDGER)
    house.verified()
    house.clock.now = JULY + 10 * MINUTE
    house.use(3, at=begins - 5 * DAY)
    assert grants(house)[:2] == [("promotional", "20", "12", "3", "5", "0"), ("rollover", "5", "8", "-3", "0", "0")]
    house.verified()
    house.clock.now = JULY + 45 * MINUTE
    assert house.close() == 1
    assert grants(house)[:2] == [("promotional", "20", "15", "0", "5", "0"), ("rollover", "5", "5", "0", "0", "0")]
    moved = dict(rows(house.engine, _LEDGER))
    assert [moved[kind] for kind in ("rolled_out", "rolled_back", "rolled_in", "rolled_off", "returned")] == [
        8,
        3,
        8,
        3,
        3,
    ]
    house.verified()
    house.bill(JULY + 2 * 60 * MINUTE)
    house.bill(AUGUST + DAY)
    charged = "SELECT sum(total) FROM invoices WHERE status <> 'void'"
    assert scalars(house.engine, charged) == [10]  # 5 of 45 beyond the allowance
    house.verified()


def test_it_is_bounded_and_expires_after_so_many_occurrences(house: House) -> None:
    schedule(house, rollover={"max": "9", "maxPercent": 30, "periods": 2})
    house.clock.now = AUGUST + DAY
    assert [(one[0], one[1], one[5]) for one in grants(house)] == [
        ("promotional", "20", "0"),
        ("rollover", "6", "6"),
        ("promotional", "20", "0"),
        ("rollover", "6", "6"),
        ("promotional", "20", "20"),
    ]
    shown = house.ok("GET", "/api/wallets/w")
    assert (shown["expired"], shown["rolledOver"], shown["available"]) == ("28", "12", "32")
    listed = house.grants()
    assert listed[1]["expiresAt"] == "2026-09-01T00:00:00Z"
    house.close()
    assert house.grants() == listed
    house.verified()


def test_in_money_a_share_is_rounded_down_to_the_minor_unit(house: House) -> None:
    house.ok("POST", "/api/wallets", {"id": "m", "userId": "ann", "unit": {"currency": "USD"}})
    schedule(house, "m", amount="50.05", rollover={"maxPercent": 33})
    house.use(25, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    assert grants(house, "m")[:2] == [
        ("promotional", "50.05", "0.00", "30.00", "16.51", "3.54"),
        ("rollover", "16.51", "0.00", "0.00", "0.00", "16.51"),
    ]
    house.use(1, at=JUNE + 2 * DAY)
    house.use(14, at=JULY)
    house.use(3, at=JUNE + 3 * DAY)
    assert [one[3:] for one in grants(house, "m")[:2]] == [("38.00", "12.05", "0.00"), ("8.00", "0.00", "4.05")]
    house.bill(JULY + DAY)
    house.close()
    house.bill(AUGUST + DAY)
    house.close()
    house.verified()


def test_what_follows_is_not_taken_back_and_a_reset_carries_nothing(house: House) -> None:
    schedule(house)
    house.use(22, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    first, carried, _ = house.grants()
    assert carried["rollsFrom"] == first["id"]
    assert house.refused(f"/api/grants/{carried['id']}/void") == (409, "still_following")
    house.clock.now = JULY + 2 * 60 * MINUTE
    house.close()
    assert house.ok("POST", f"/api/grants/{carried['id']}/void")["takenBack"] == "8"
    house.ok("POST", "/api/wallets/w/reset")
    house.clock.now = AUGUST + DAY
    assert [one[1] for one in grants(house) if one[0] == "rollover"] == ["8", "0"]
    house.close()
    house.verified()


def test_a_grant_that_was_a_mistake_leaves_what_was_carried_over_from_it(house: House) -> None:
    schedule(house)
    house.use(22, at=JUNE + DAY)
    house.clock.now = JULY + 10 * MINUTE
    house.use(9, at=JULY)
    before = [
        ("promotional", "20", "0", "12", "8", "0"),
        ("rollover", "8", "0", "0", "0", "8"),
        ("promotional", "20", "0", "0", "0", "20"),
    ]
    assert grants(house) == before
    void = house.ok("POST", f"/api/grants/{house.grants()[0]['id']}/void", {"used": True})
    assert (void["status"], void["takenBack"]) == ("void", "12")
    # June's usage is charged, and takes nothing from July.
    assert grants(house) == [("promotional", "20", "0", "0", "8", "0"), *before[1:]]
    house.verified()
    house.use(5, at=JUNE + DAY)
    house.bill(JULY + 2 * 60 * MINUTE)
    house.close()
    assert grants(house)[1] == ("rollover", "8", "0", "0", "0", "8")
    house.verified()


@pytest.mark.usefixtures("house")
def test_at_the_terminal() -> None:
    begins = ["wallets", "recur", "w", "--amount", "20", "--every", "month", "--key", "k", "--until-next"]
    alone = CliRunner().invoke(usage_billing, [*begins, "--rollover-max", "9"])
    assert (alone.exit_code, "need --rollover" in alone.output) == (2, True)
    said = ["--rollover", "2", "--rollover-max", "9", "--rollover-percent", "30", "--json"]
    made = CliRunner().invoke(usage_billing, [*begins, *said])
    assert made.exit_code == 0, made.output
    assert json.loads(made.output)["rollover"] == {"max": "9", "maxPercent": 30, "periods": 2}
    shown = CliRunner().invoke(usage_billing, [*begins, *said[:-1]])
    assert (shown.exit_code, "2 times" in shown.output) == (0, True), shown.output


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"untilNext": False}, "/rollover"),
        ({"rollover": {"max": "0"}}, "/rollover/max"),
        ({"rollover": {"maxPercent": 0}}, "/rollover/maxPercent"),
        ({"rollover": {"maxPercent": 101}}, "/rollover/maxPercent"),
        ({"rollover": {"periods": 0}}, "/rollover/periods"),
        ({"rollover": {"min": "1"}}, "/rollover/min"),
    ],
)
def test_bad_input_changes_nothing(house: House, said: dict[str, object], expected: str) -> None:
    body = {"amount": "20", "every": {"interval": "month"}, "untilNext": True, "idempotencyKey": "m", "rollover": {}}
    assert house.refused("/api/wallets/w/schedules", body | said) == (422, expected)
    assert scalars(house.engine, "SELECT count(*) FROM wallet_schedules") == [0]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_late_is_taken_back_or_billed_every_figure_adds_up(house: House, seed: int) -> None:
    chance, recorded = random.Random(seed), list[str]()
    bounds = chance.choice([{}, {"max": "9"}, {"maxPercent": 35, "periods": 2}, {"periods": 3}])
    schedule(house, every={"interval": "week"}, rollover=bounds)
    house.clock.now = JUNE + DAY
    for step in range(18):
        house.clock.now += chance.choice([0, 10, 40]) * 60 * MINUTE
        if step % 3 == 2:  # just before or after a week ends
            weeks = (house.clock.now - JUNE) // (7 * DAY) + 1
            house.clock.now = JUNE + 7 * weeks * DAY + chance.choice([5, 30, 90]) * MINUTE
        if chance.random() < 0.75 or not recorded:
            at = max(house.clock.now - chance.choice([0, 1, 6, 48]) * 60 * MINUTE, JUNE)
            recorded.append(house.use(chance.randint(1, 18), at=at, subscription=chance.choice("st")))
        else:
            id = recorded.pop(chance.randrange(len(recorded)))
            house.ok("POST", f"/api/usage/records/{id}/void", {"reason": "twice"})
        if chance.random() < 0.3:
            house.bill(house.clock.now)
        if chance.random() < 0.4:
            house.close()
        for one in house.grants():
            names = ("posted", "provisional", "expired", "takenBack", "rolledOver", "left")
            parts = [Decimal(one[name]) for name in names]
            assert sum(parts) == Decimal(one["amount"]), one
            assert min(parts[0], parts[2], parts[4], parts[5]) >= 0
        house.verified()
    for days in (0, 35, 36):
        house.bill(max(house.clock.now, JULY) + days * DAY)
        house.close()
        house.verified()
    charged = "SELECT coalesce(sum(total), 0) FROM invoices WHERE status <> 'void'"
    due = """
        SELECT coalesce(sum(2 * (s.beyond_limit - coalesce(c.covered, 0))), 0)
        FROM usage_summaries s LEFT JOIN covered_summaries c ON c.summary_id = s.id"""
    assert scalars(house.engine, charged) == scalars(house.engine, due)


@pytest.mark.parametrize(
    "spoiled",
    [
        "UPDATE wallet_grants SET amount = amount + 1 WHERE rolls_from IS NOT NULL",
        "UPDATE wallet_grants SET rolled_over = rolled_over - 1, expired = expired + 1 WHERE rolled_over > 0",
        "UPDATE wallet_grants SET rollover_max = 7 WHERE rolls_from IS NOT NULL",
        "UPDATE wallet_grants SET effective_at = effective_at + interval '1 hour' WHERE rolls_from IS NOT NULL",
    ],
)
def test_what_is_spoiled_is_named_by_verify(house: House, spoiled: str) -> None:
    schedule(house)
    house.use(22, at=JUNE + DAY)
    house.clock.now = JULY + DAY
    house.close()
    house.verified()
    with transaction(house.engine) as session:
        session.execute(text(spoiled))
        assert "wallet_rollover" in {one.kind for one in find_differences(session)}
        session.rollback()
