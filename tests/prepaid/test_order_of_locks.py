"""Wallets are locked before whatever finalizing and closing lock next, so none of them waits in a circle."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy import Engine, text

from tests.prepaid.conftest import JULY, JUNE, WALLET, House
from tests.support.billing import bill
from tests.support.books import scalars
from usage_billing.db.session import transaction
from usage_billing.flows.billing.bill_slice import SliceWork, Windows, bill_apart
from usage_billing.metering.settling import reopen
from usage_billing.wallets.service import lock_wallets

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def rehearse(house: House) -> None:
    """A dry run, which rates and finalizes in one transaction."""
    bill(house.engine, house.clock.now, dry_run=True)


def make_another(house: House) -> None:
    """A second wallet, which overlaps."""
    house.refused("/api/wallets", WALLET | {"id": "w2"})


def wait_until_waiting(engine: Engine) -> None:
    """Until some transaction waits for a lock."""
    until = monotonic() + 10
    while monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(text(_WAITING)):
                return
        sleep(0.02)
    raise AssertionError("nothing waits")


@pytest.mark.parametrize(
    ("act", "free"),
    [
        (rehearse, "SELECT FROM usage_summaries FOR KEY SHARE NOWAIT"),
        (make_another, "SELECT FROM customers FOR SHARE NOWAIT"),
    ],
)
def test_what_waits_for_a_wallet_holds_nothing_that_comes_after_it(
    house: House, act: Callable[[House], None], free: str
) -> None:
    house.grant(5)
    house.use(17, at=JUNE + timedelta(days=1))
    house.clock.now = JULY + timedelta(hours=2)
    with ThreadPoolExecutor(1) as pool:
        with transaction(house.engine) as session:
            lock_wallets(session, ["ann"])
            waiting = pool.submit(act, house)
            wait_until_waiting(house.engine)
            session.execute(text(free))
        waiting.result()
    house.verified()


def test_billing_one_by_one_comes_to_credit_after_customers_as_a_purchase_does(house: House) -> None:
    credit = {"amount": "5.00", "currency": "USD", "reason": "sorry", "idempotencyKey": "c"}
    house.ok("POST", "/api/customers/ann/credits", credit)
    work = SliceWork(
        as_of=house.clock.now,
        windows=Windows(grace=timedelta(hours=1), adjust_within=timedelta(days=92)),
        held_to=None,
        actor="test",
        rates=True,
        finalizes=True,
    )

    def bill_one_by_one() -> None:
        with transaction(house.engine) as session:
            bill_apart(session, work, ["s"])

    with ThreadPoolExecutor(1) as pool:
        with transaction(house.engine) as session:
            session.execute(text("SELECT FROM customers WHERE id = 'ann' FOR NO KEY UPDATE"))
            waiting = pool.submit(bill_one_by_one)
            wait_until_waiting(house.engine)
            session.execute(text("SELECT FROM credit_balances FOR UPDATE NOWAIT"))
        waiting.result()


def test_what_is_to_be_rated_again_is_locked_in_the_order_of_recordings(house: House) -> None:
    """A drain that holds the first of two summaries finds the second free, whichever was made first."""
    for name in ("t", "s"):
        house.use(17, at=JUNE + timedelta(days=1), subscription=name)
    later, first = scalars(house.engine, "SELECT id FROM usage_summaries ORDER BY id")

    def again() -> None:
        with transaction(house.engine) as session:
            reopen(session, [later, first])

    with ThreadPoolExecutor(1) as pool:
        with transaction(house.engine) as session:
            session.execute(text(f"SELECT FROM usage_summaries WHERE id = {first} FOR UPDATE"))
            waiting = pool.submit(again)
            wait_until_waiting(house.engine)
            session.execute(text(f"SELECT FROM usage_summaries WHERE id = {later} FOR UPDATE NOWAIT"))
        waiting.result()
