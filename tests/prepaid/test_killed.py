"""A process that posts or closes is killed, by signal 9, before it commits: the next finds the books as they were."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.prepaid.conftest import JULY, JUNE, House
from tests.support.billing import GRACE, bill
from tests.support.books import rows
from usage_billing.core import crash
from usage_billing.db.session import make_engine, transaction
from usage_billing.flows.prepaid.close_grants import close_grants
from usage_billing.flows.prepaid.open_wallet import open_wallet

DAY = timedelta(days=1)
_LEDGER = "SELECT kind, amount, cost FROM wallet_transfers ORDER BY id"


def killed_at(point: str, folder: Path, work: Callable[[Engine], object], house: House) -> None:
    """Do ``work`` in a process of its own that dies at a point."""
    (folder / point).touch()
    child = os.fork()
    if not child:
        crash._FOLDER = str(folder)
        work(make_engine(house.engine.url.render_as_string(hide_password=False)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not (folder / point).exists()


@pytest.mark.parametrize("cost", ["0", "10.00"])
def test_a_death_while_posting_or_closing_changes_nothing(house: House, tmp_path: Path, cost: str) -> None:
    house.grant(7, cost=cost, expiresAt=(JULY + DAY).isoformat())
    house.use(13, at=JUNE + DAY)
    before = rows(house.engine, _LEDGER)
    after = JULY + timedelta(hours=2)
    house.clock.now = after
    killed_at("prepaid.posted", tmp_path, lambda engine: bill(engine, after, grace=GRACE), house)
    assert rows(house.engine, _LEDGER) == before
    house.bill(after)
    assert house.invoices() == []
    assert house.wallet() == {"granted": "7", "posted": "3", "left": "4"}
    house.clock.now = JULY + 3 * DAY
    posted = rows(house.engine, _LEDGER)

    def close(engine: Engine) -> None:
        with transaction(engine) as session:
            close_grants(session, "w", now=house.clock.now)

    killed_at("prepaid.closing", tmp_path, close, house)
    assert rows(house.engine, _LEDGER) == posted
    assert house.close() == 1
    assert house.wallet() == {"granted": "7", "posted": "3", "expired": "4"}
    assert sum(row[2] for row in rows(house.engine, _LEDGER)[1:]) == (10 if cost == "10.00" else 0)
    house.verified()


def test_a_death_while_occurrences_are_stored_stores_none_and_the_next_stores_each_once(
    house: House, tmp_path: Path
) -> None:
    body = {"amount": "5", "every": {"interval": "week"}, "idempotencyKey": "weekly", "startsAt": JUNE.isoformat()}
    house.ok("POST", "/api/wallets/w/schedules", body)
    house.clock.now = JULY
    before = rows(house.engine, _LEDGER)

    def store(engine: Engine) -> None:
        with transaction(engine) as session:
            open_wallet(session, "w", now=house.clock.now)

    killed_at("prepaid.opening", tmp_path, store, house)
    assert rows(house.engine, _LEDGER) == before
    assert house.wallet() == {"granted": "25", "left": "25"}
    store(house.engine)
    assert [row[1] for row in rows(house.engine, _LEDGER)] == [5] * 5
    house.verified()
