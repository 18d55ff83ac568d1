"""What rules compare beside plain totals: meters, what is paid for beforehand, and prices that follow from more."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal

from tests.alerts.conftest import Watched
from tests.factories import make_recording, record
from tests.factories.meters import fold, make_meter
from tests.support.books import scalars
from usage_billing.catalog.service import NewQuota
from usage_billing.db.session import transaction
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.prepaid.grant_life import void_grant
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.flows.prepaid.reset_wallet import Reset, reset_wallet
from usage_billing.metering.recording import Recording

GRACE = timedelta(hours=1)


def grant(watched: Watched, amount: int, *, key: str, at: datetime | None = None) -> object:
    with transaction(watched.engine) as session:
        new = NewGrant(amount=Decimal(amount), idempotency_key=key, effective_at=at)
        made, _ = make_grant(session, "w", new, actor="test", now=watched.now, grace=GRACE)
        return made.id


def test_a_meter_is_judged_when_it_is_folded(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        make_meter(session, id="tokens", of="calls", value="n")
        new = NewQuota(
            plan_id="p", usage_type="tokens", limit=Decimal(100), price={"model": "per_unit", "unitPrice": "1"}
        )
        define_quota(session, new, actor="test", now=watched.now)
    watched.alert("a", at=[50, 100], watches="percent", usage_type="tokens")
    watched.alert("b", at=[20], watches="amount")
    for number, told in ((49, []), (1, [["50"]]), (70, [["50"], ["20.00"], ["100"]])):
        with transaction(watched.engine) as session:
            one = make_recording(
                now=watched.now, customer="ann", subscription="s", usage_type="calls", metadata=f'{{"n": {number}}}'
            )
            record(session, one)
        with transaction(watched.engine) as session:
            fold(session)
        assert sorted(watched.crossed()) == sorted(told)
    watched.verified()


def test_what_is_paid_for_beforehand_moves_the_line(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        new = NewWallet(id="w", customer_id="ann", unit_name="calls", usage_types=["calls"])
        create_wallet(session, new, actor="test", now=watched.now)
    first = grant(watched, 90, key="one")
    watched.alert("a", at=[50, 100], watches="percent", usage_type="calls", basis="allowance+prepaid")
    watched.use(49)
    assert watched.lines() == {"calls": Decimal(50)}
    grant(watched, 100, key="two")
    watched.judge()
    watched.use(20)
    assert watched.told() == []
    with transaction(watched.engine) as session:
        void_grant(session, first, used=True, actor="test", now=watched.now)  # type: ignore[arg-type]
    watched.judge()
    (told,) = watched.told()
    assert (told["crossed"], told["value"], told["limit"]) == (["50"], "69", "110")
    watched.verified()


def test_what_is_paid_for_beforehand_of_a_meter_moves_the_line_and_is_judged_at_the_fold(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        make_meter(session, id="tokens", of="calls", value="n")
        price = {"model": "per_unit", "unitPrice": "1"}
        new = NewQuota(plan_id="p", usage_type="tokens", limit=Decimal(10), price=price)
        define_quota(session, new, actor="test", now=watched.now)
        wallet = NewWallet(id="w", customer_id="ann", unit_name="tokens", usage_types=["tokens"])
        create_wallet(session, wallet, actor="test", now=watched.now)
    grant(watched, 90, key="one")
    watched.alert("a", at=[50, 100], watches="percent", usage_type="tokens", basis="allowance+prepaid")
    for number, told in ((49, []), (1, [["50"]]), (50, [["50"], ["100"]])):
        one = make_recording(
            now=watched.now, customer="ann", subscription="s", usage_type="calls", metadata=f'{{"n": {number}}}'
        )
        with transaction(watched.engine) as session:
            record(session, one)
        with transaction(watched.engine) as session:
            fold(session)
        assert watched.crossed() == told
    watched.verified()


def test_what_a_reset_kept_counts_once(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        new = NewWallet(id="w", customer_id="ann", unit_name="calls", usage_types=["calls"])
        create_wallet(session, new, actor="test", now=watched.now)
    grant(watched, 90, key="one", at=watched.now - timedelta(minutes=1))
    watched.use(40)
    with transaction(watched.engine) as session:
        kept = Reset(keep=Decimal(60))
        reset_wallet(session, "w", kept, actor="test", now=watched.now, grace=GRACE)
    watched.alert("a", at=[50], watches="percent", usage_type="calls", basis="allowance+prepaid")
    assert watched.lines() == {"calls": Decimal(50)}
    watched.verified()


def test_what_a_reset_ended_before_the_period_counts_no_more(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        new = NewWallet(id="w", customer_id="ann", unit_name="calls", usage_types=["calls"])
        create_wallet(session, new, actor="test", now=watched.now)
    grant(watched, 90, key="one", at=watched.start - timedelta(days=40))
    with transaction(watched.engine) as session:
        ended = Reset(at=watched.start - timedelta(days=1))
        reset_wallet(session, "w", ended, actor="test", now=watched.now, grace=GRACE)
    watched.use(1)
    watched.alert("a", at=[50], watches="percent", usage_type="calls", basis="allowance+prepaid")
    assert watched.lines() == {"calls": Decimal(5)}
    watched.verified()


def test_a_price_by_volume_is_rated_with_each_batch(watched: Watched) -> None:
    tiers = [{"upTo": "10", "unitPrice": "2"}, {"upTo": None, "unitPrice": "1"}]
    with transaction(watched.engine) as session:
        new = NewQuota(
            plan_id="p",
            usage_type="pages",
            limit=Decimal(0),
            price={"model": "volume", "tiers": tiers},
            effective="now",
            reprice_usage=True,
        )
        define_quota(session, new, actor="test", now=watched.now)
    watched.alert("a", at=[15, 19], watches="amount", usage_type="pages", resolve=True)
    watched.use(8, of="pages")
    assert watched.crossed() == [["15.00"]]
    watched.use(4, of="pages")  # 12.00 by now: more costs less
    assert watched.crossed("alert.resolved") == [["15.00"]]
    watched.use(6, of="pages")
    watched.use(1, of="pages")
    assert watched.crossed() == [["15.00"], ["19.00"]]
    watched.verified()


def test_a_drain_and_a_fold_beside_each_other_see_each_others_totals(watched: Watched) -> None:
    with transaction(watched.engine) as session:
        make_meter(session, id="tokens", of="free", value="n")
        price = {"model": "per_unit", "unitPrice": "1"}
        new = NewQuota(plan_id="p", usage_type="tokens", limit=Decimal(0), price=price)
        define_quota(session, new, actor="test", now=watched.now)
    watched.alert("a", at=[100], watches="amount")

    def of(usage_type: str, quantity: int) -> Recording:
        metadata = f'{{"n": {quantity}}}'
        return make_recording(
            now=watched.now,
            quantity=quantity,
            customer="ann",
            subscription="s",
            usage_type=usage_type,
            metadata=metadata,
        )

    for number in (1, 60):  # the first makes the summaries
        with transaction(watched.engine) as session:
            record(session, of("free", number))
        if number == 1:
            with transaction(watched.engine) as session:
                fold(session)

    def folded() -> None:
        with transaction(watched.engine) as session:
            fold(session)

    with ThreadPoolExecutor(1) as pool:
        with transaction(watched.engine) as session:
            record(session, of("pages", 60))
            done = pool.submit(folded)
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until = time.monotonic() + 20
            while not done.done() and not scalars(watched.engine, waiting)[0] and time.monotonic() < until:
                time.sleep(0.01)
        done.result()
    assert [one["value"] for one in watched.told()] == ["121.00"]
    watched.verified()
