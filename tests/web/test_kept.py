"""What a process keeps of open pages shows what one shows that keeps nothing, whatever changes, in any order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from tests.conftest import Clock
from tests.factories import make_customer, make_recording, record
from tests.support.billing import bill
from tests.web.conftest import Books, OpenPortal
from tests.web.test_moved import PARTS, Operator
from usage_billing.db.session import read_only, transaction
from usage_billing.reports.moved import Moved, moved
from web.portal import kept

PAGES = ("", "/usage", "/upcoming", "/prices", "/wallets", "/invoices")
_AT_ONCE = 2
"""Parts, and pages, that are compared after each step: all of them would take three times as long."""

AGREED = (
    "subscriptions",
    "subscription_terms",
    "fee_charges",
    "invoices",
    "credit_balances",
    "wallets",
    "customers",
    "usage_quotas",
    "plan_versions",
    "plans",
    "usage_types",
)
FIGURES = ("usage_summaries", "wallet_grants")


@contextmanager
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(kept, "agreed_with", lambda *_: None)
        patch.setattr(kept, "part_of", lambda *_: None)
        patch.setattr(kept, "keep_agreed", lambda *_: None)
        patch.setattr(kept, "keep_part", lambda *_: None)
        yield


def _more_steps(operator: Operator, engine: Engine, clock: Clock) -> dict[str, Callable[[], object]]:
    """What changes pages beside the steps of ``Operator``; one that the others left no room for changes nothing."""
    subscription = "/api/subscriptions/sub456"

    def use() -> None:
        with transaction(engine) as session:
            record(session, make_recording(now=clock(), quantity="3"))

    def void() -> TestResponse:
        return operator.admin.post(
            f"/api/usage/records/{operator.books.record_id}/void", json={"reason": "reported twice"}
        )

    def post(path: str, **body: object) -> Callable[[], TestResponse]:
        return lambda: operator.admin.post(path, json=body)

    return {
        "more use": use,
        "use again": use,
        "void": void,
        "run": lambda: bill(engine, clock(), now=clock()),
        "resume": post(f"{subscription}/resume", at="now"),
        "own fee": post("/api/plans/business/versions", baseFee="3", effective="now", subscriptionId="sub456"),
        "cancel": post(f"{subscription}/cancel", at="period_end"),
        "minutes": lambda: clock.advance(minutes=3),
        "hours": lambda: clock.advance(hours=7),
        "a month": lambda: clock.advance(days=31),
        "run later": lambda: bill(engine, clock(), now=clock()),
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_is_what_would_be_made(
    portal: OpenPortal,
    admin: FlaskClient,
    engine: Engine,
    clock: Clock,
    used: Books,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    admin.post("/api/wallets", json={"id": "w!", "userId": "user123", "unit": {"currency": "USD"}})
    operator = Operator(admin, engine, clock, used)
    steps = operator.steps() | _more_steps(operator, engine, clock)
    order, chance = list(steps), Random(seed)
    chance.shuffle(order)
    order.sort(key=lambda name: name == "a month")  # the session is over then
    # An estimate grows with each minute, and is told hourly.
    monkeypatch.setattr("web.allowances.at_this_rate", lambda *_: None)
    browser = portal(expiresInSeconds=86_400)
    shown: dict[str, str] = {}
    for name in order:
        steps[name]()
        if name == "a month":
            browser = portal()
        for address in [
            *(f"/portal/{part}/live" for part in chance.sample(PARTS, _AT_ONCE)),
            *(f"/portal{page}" for page in chance.sample(PAGES, 1)),
        ]:
            browser.get(address)
            again = browser.get(address)
            with _nothing_kept(monkeypatch):
                fresh = browser.get(address)
            assert again.status_code == fresh.status_code == 200, (seed, name, address, fresh.text)
            assert again.text == fresh.text, (seed, name, address)
            shown[address] = fresh.text
    assert len(shown) > len(PARTS)


def test_a_part_is_made_once_while_nothing_moves(
    portal: OpenPortal, engine: Engine, clock: Clock, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, other = portal(), portal("user123", pages=["overview"])
    first = browser.get("/portal/overview/live")

    def fail(_engine: Engine) -> None:
        raise AssertionError("a transaction was opened")

    with monkeypatch.context() as patch:
        patch.setattr("web.portal.gate.read_only", fail)
        again = browser.get("/portal/overview/live")
    assert (again.text, again.headers["ETag"]) == (first.text, first.headers["ETag"])
    fewer = other.get("/portal/overview/live")
    assert "/portal/upcoming" in first.text
    assert "/portal/upcoming" not in fewer.text


def test_nothing_is_kept_for_another_customer(portal: OpenPortal, admin: FlaskClient, engine: Engine) -> None:
    """Of customers whose rows came in one transaction the database says the same."""
    with transaction(engine) as session:
        make_customer(session, id="one", name="One")
        make_customer(session, id="two", name="Two")
    for name in ("one", "two"):
        admin.post("/api/wallets", json={"id": f"w-{name}", "userId": name, "unit": {"currency": "USD"}})
    with engine.begin() as connection:
        connection.execute(text("UPDATE wallets SET id = id"))
    seen = {name: portal(name).get("/portal/wallets/live").text for name in ("one", "two")}
    assert "w-one" in seen["one"]
    assert "w-one" not in seen["two"]
    assert "w-two" in seen["two"]


def test_what_is_agreed_is_read_once_while_usage_moves(
    portal: OpenPortal, engine: Engine, clock: Clock, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = portal()
    browser.get("/portal/overview/live")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("what is agreed was read again")

    for key in ("one", "two"):
        with transaction(engine) as session:
            record(session, make_recording(now=clock(), key=key))
        with monkeypatch.context() as patch:
            patch.setattr("usage_billing.flows.billing.agreements.read_to_bill", fail)
            patch.setattr("usage_billing.catalog.queries._quotas_of", fail)
            assert browser.get("/portal/overview/live").status_code == 200


def test_what_changes_while_usage_is_counted_is_shown(
    portal: OpenPortal, admin: FlaskClient, used: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = portal()

    def change(*_: object) -> None:
        answer = admin.post("/api/subscriptions/sub456/pause", json={"at": "now"})
        assert answer.status_code < 300, answer.text

    with monkeypatch.context() as patch:
        patch.setattr("web.portal.gate.left_to_count", lambda *_, **__: {"sub456": None})
        patch.setattr("web.portal.gate.catch_up", change)
        shown = browser.get("/portal/overview/live").text
    assert browser.get("/portal/overview/live").text == shown
    with _nothing_kept(monkeypatch):
        assert browser.get("/portal/overview/live").text == shown


def test_more_than_a_few_rows_are_not_kept() -> None:
    kept.forget()
    kept.keep_agreed("c", "1", {"quotas": list(range(300))})
    assert kept.agreed_with("c", "1") is not None
    assert kept.agreed_with("c", "2") is None
    kept.keep_agreed("c", "1", {"quotas": list(range(301))})
    assert kept.agreed_with("c", "1") is None
    kept.keep_part("long", "x" * 40_000)
    assert kept.part_of("long") is None
    for number in range(1_000):
        kept.keep_agreed(str(number), "", {})
        kept.keep_part(number, "")
    assert kept.agreed_with("0", "") is None
    assert kept.part_of(0) is None
    assert kept.part_of(999) == ""


def test_each_row_that_is_written_again_moves_the_text_that_it_belongs_to(
    admin: FlaskClient, engine: Engine, clock: Clock, used: Books
) -> None:
    admin.post("/api/wallets", json={"id": "w!", "userId": "user123", "unit": {"currency": "USD"}})
    for step in Operator(admin, engine, clock, used).steps().values():
        step()
    bill(engine, clock(), now=clock())
    seen = _moved(engine, clock)
    for table in (*AGREED, *FIGURES):
        _write_again(engine, table)
        now = _moved(engine, clock)
        assert (now.agreed != seen.agreed, now.figures != seen.figures) == (table in AGREED, table in FIGURES), table
        seen = now


def test_transactions_that_overlap_move_it_too(engine: Engine, clock: Clock, used: Books) -> None:
    """A row's xmin falls by one and another's rises by one: their sum stays as it was."""
    first, second = (
        f"UPDATE usage_summaries SET total = total WHERE id = (SELECT {one}(id) FROM usage_summaries)"
        for one in ("min", "max")
    )
    with engine.begin() as before:
        before.execute(text(first))
    with engine.connect() as older, engine.connect() as newer:
        older.execute(text(first))
        newer.execute(text(second))
        newer.commit()
        seen = _moved(engine, clock)
        older.execute(text(second))
        older.commit()
    assert _moved(engine, clock) != seen


def _moved(engine: Engine, clock: Clock) -> Moved:
    with read_only(engine) as session:
        return moved(session, "user123", now=clock())


def _write_again(engine: Engine, table: str) -> None:
    """Write one row of it with the values that it has."""
    with engine.begin() as connection:
        column = connection.execute(
            text("""
                SELECT attname FROM pg_attribute
                WHERE attrelid = CAST(:table AS regclass) AND attnum > 0
                    AND attgenerated = '' AND attidentity = '' AND NOT attisdropped
                ORDER BY attnum LIMIT 1
            """),
            {"table": table},
        ).scalar_one()
        one = f"ctid = (SELECT ctid FROM {table} LIMIT 1)"
        done = connection.execute(text(f"UPDATE {table} SET {column} = {column} WHERE {one}"))
        assert done.rowcount == 1, table
