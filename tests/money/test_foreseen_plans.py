"""What a rehearsal of a change of a plan says is what comes, and nothing but the rehearsal is stored."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from tests.money.house import House, day
from tests.money.test_foreseen import DOLLAR, EACH_AT_MOST
from tests.money.test_foreseen_quotas import CENTS, TIERS, everything, nothing_stored
from tests.support.billing import driven
from tests.support.books import rows, scalars
from usage_billing.billing_runs.models import BillingRun
from usage_billing.billing_runs.pins import find_rehearsal
from usage_billing.catalog.plan_versions import NewPlanVersion
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import Conflict
from usage_billing.core.instants import read_instant
from usage_billing.db.session import transaction
from usage_billing.flows.administration import plan_quotas, plan_versions
from usage_billing.flows.administration.agree import Precaution
from usage_billing.flows.billing import reckoned_ahead
from usage_billing.flows.billing.marks import Marks
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet

NOW = day(11)
SOON = NOW + timedelta(minutes=1)
STATES: dict[str, dict[str, Any]] = {
    "anniversary": {"at": day(5), "anchor": "anniversary"},
    "billed": {},
    "gone": {},
    "own": {},
    "paused": {},
    "unused": {},
}
OWN_TABLES = {"billing_runs", "billing_run_slices", "audit_log"}


@pytest.fixture
def used(house: House) -> House:
    """Subscriptions of plan a, each in a state of its own, and a twin of each on plan t, which is the same plan."""
    for plan, begins in (("a", ""), ("t", "twin-of-")):
        house.plan(plan, fee="31", base_fee_timing="advance")
        house.quota(plan, "300", DOLLAR)
        for name, more in STATES.items():
            house.subscribe(begins + name, plan, **more)
        house.quota(plan, "10", CENTS, own=f"{begins}own", effective="start", at=day(1))
        house.use(110, at=day(3), name=f"{begins}billed")
    house.bill(day(4))
    for begins in ("", "twin-of-"):
        for name in ("anniversary", "billed", "own", "paused"):
            house.use(240, at=day(7), name=begins + name)
        house.change("pause", at=day(9), name=f"{begins}paused")
        house.change("cancel", at=day(8), name=f"{begins}gone")
    return house


def quota(limit: str | None, price: dict[str, Any], effective: Any, **more: Any) -> NewQuota:
    size, asked = None if limit is None else Decimal(limit), {"reprice_usage": True} | more
    return NewQuota(plan_id="a", usage_type="calls", limit=size, price=price, effective=effective, **asked)


def fee(amount: str, effective: Any, **more: Any) -> NewPlanVersion:
    return NewPlanVersion(plan_id="a", base_fee=Decimal(amount), effective=effective, reprice_usage=True, **more)


New = NewQuota | NewPlanVersion


def rehearse(house: House, new: New, *, now: datetime = NOW) -> BillingRun:
    """The rehearsal at its end."""
    with transaction(house.engine) as session:
        if isinstance(new, NewQuota):
            run = plan_quotas.rehearse_for_plan(session, new, actor="test", now=now)
        else:
            run = plan_versions.rehearse_plan_version(session, new, actor="test", now=now)
    return driven(house.engine, run)


def make(house: House, new: New, *, now: datetime = SOON, digest: str | None = None) -> None:
    precaution = Precaution(expected_digest=digest)
    with transaction(house.engine) as session:
        if isinstance(new, NewQuota):
            plan_quotas.define_for_plan(session, new, actor="test", now=now, precaution=precaution)
        else:
            plan_versions.define_plan_version(session, new, actor="test", now=now, precaution=precaution)


def as_shown(new: New, run: BillingRun) -> New:
    """The version ``new``, asked for with the effective instant that the rehearsal told."""
    assert run.foreseen is not None
    told = run.foreseen.effective
    effective: Any = told if not told[0].isdigit() else read_instant(told)
    return type(new)(**{name: getattr(new, name) for name in type(new).__slots__} | {"effective": effective})


def difference(house: House, name: str, *, until: datetime) -> Decimal:
    """How much more a subscription is charged than its twin, on invoices that stand and close by ``until``."""
    found = rows(
        house.engine,
        "SELECT subscription_id, sum(total) AS total FROM invoices"
        " WHERE status <> 'void' AND closes_at <= :until AND subscription_id IN (:name, :twin) GROUP BY 1",
        name=name,
        twin=f"twin-of-{name}",
        until=until,
    )
    totals = {row.subscription_id: Decimal(row.total) for row in found}
    return totals.get(name, Decimal(0)) - totals.get(f"twin-of-{name}", Decimal(0))


CHANGES: list[New] = [
    quota("0", TIERS, "period"),
    quota("300", DOLLAR | {"minimumAmount": "50"}, None),
    quota("0", EACH_AT_MOST, day(21)),
    fee("62", "now"),
    fee("40", "next_period", base_fee_timing="arrears"),
]


@pytest.mark.parametrize("new", CHANGES, ids=lambda new: f"{getattr(new, 'limit', 'fee')}-{new.effective}")
def test_what_a_rehearsal_says_is_what_comes(used: House, new: New) -> None:
    before = everything(used.engine)
    run = rehearse(used, new)
    after = everything(used.engine)
    assert {name for name in before if before[name] != after[name]} <= OWN_TABLES
    found = run.foreseen
    assert found is not None
    assert (run.status, run.kind, run.warnings, found.looked) == ("completed", "rehearsal", [], len(STATES))
    told = {one.subscription_id: one for one in found.subscriptions}
    assert (len(told), sum(one.difference for one in told.values())) == (run.subscriptions, found.difference)
    assert run.amounts == ({"USD": f"{found.difference:.2f}"} if told else {})
    make(used, as_shown(new, run), digest=run.digest)
    used.bill(SOON)
    for until in sorted({one.until for one in told.values()} | {day(31)}):
        used.bill(until)
        for name in STATES:
            if name not in told and until == day(31):
                assert difference(used, name, until=until) == 0, name
            elif name in told and told[name].until == until:
                assert difference(used, name, until=until) == told[name].difference, name


@pytest.fixture
def few(house: House) -> House:
    """Three subscriptions: of one 100 calls lie beyond, of one none do, and one has ended."""
    house.plan("a")
    house.quota("a", "300", DOLLAR)
    for name in ("s1", "s2", "s3"):
        house.subscribe(name)
    house.use(400, at=day(3), name="s1")
    house.use(200, at=day(3), name="s2")
    house.change("cancel", at=day(4), name="s3")
    return house


def test_the_first_are_shown_with_their_amounts(few: House, monkeypatch: pytest.MonkeyPatch) -> None:
    new = quota("100", DOLLAR, "period")
    found = [rehearse(few, new)]
    monkeypatch.setattr("usage_billing.flows.billing.run_stages.AT_A_TIME", 1)
    monkeypatch.setattr("usage_billing.billing_runs.foreseen.SHOWN", 1)
    found.append(rehearse(few, new))
    told = [run.foreseen for run in found]
    assert [run.digest for run in found] == [found[0].digest] * 2
    assert scalars(few.engine, "SELECT count(*) FROM billing_run_slices GROUP BY run_id ORDER BY 1") == [1, 3]
    shown = [[(one.subscription_id, one.charged, one.credited) for one in each.subscriptions] for each in told if each]
    assert shown == [[("s1", 200, 0), ("s2", 100, 0)], [("s1", 200, 0)]]
    assert [(each.looked, each.charged, each.credited, each.effective) for each in told if each] == [
        (3, 300, 0, "period")
    ] * 2
    assert [(run.subscriptions, run.invoices, run.items, run.finalized, run.amounts) for run in found] == [
        (2, 2, 2, 0, {"USD": "300.00"})
    ] * 2


ALTERED: list[Any] = [
    lambda house: house.use(1, at=day(10), name="s2"),
    lambda house: house.subscribe("s4", at=day(10), quotas=()),
    lambda house: house.quota("a", "250", DOLLAR, at=day(10), effective="period", reprice=True),
]


@pytest.mark.parametrize(("alter", "refused"), list(zip(ALTERED, (True, False, True), strict=True)))
def test_a_change_that_would_do_something_else_is_refused(few: House, alter: Any, *, refused: bool) -> None:
    new = quota("100", DOLLAR, "period")
    run = rehearse(few, new)
    alter(few)
    before = everything(few.engine)
    if refused:
        with pytest.raises(Conflict) as told:
            make(few, new, digest=run.digest)
        assert told.value.code == "digest_changed"
        assert everything(few.engine) == before
    else:
        make(few, new, digest=run.digest)
        assert everything(few.engine) != before


@pytest.mark.parametrize("when", ["meanwhile", "last"])
@pytest.mark.parametrize(("name", "refused"), [("s1", False), ("s2", True)])
def test_what_is_recorded_while_a_change_is_compared_is_compared_too(
    few: House, monkeypatch: pytest.MonkeyPatch, when: str, name: str, *, refused: bool
) -> None:
    """Recordings do not wait for the comparison; what one changes is reckoned anew, and nothing else."""
    new, looked = quota("100", DOLLAR, "period"), list[list[str]]()
    run = rehearse(few, new)
    reckon, lock = reckoned_ahead.foresee_plan, plan_quotas.lock_shards

    def reckon_beside(session: Any, change: Any, ids: Any, **more: Any) -> Any:
        found = reckon(session, change, ids, **more)
        looked.append(list(ids))
        if when == "meanwhile" and len(looked) == 1:
            few.use(1, at=day(10), name=name)
        return found

    def lock_beside(*shards: Any) -> Any:
        if when == "last":
            few.use(1, at=day(10), name=name)
        return lock(*shards)

    monkeypatch.setattr(reckoned_ahead, "foresee_plan", reckon_beside)
    monkeypatch.setattr(plan_quotas, "lock_shards", lock_beside)
    with pytest.raises(Conflict) if refused else nullcontext():
        make(few, new, digest=run.digest)
    assert looked == [["s1", "s2", "s3"], [name]]
    assert scalars(few.engine, "SELECT count(*) FROM usage_quotas") == [1 if refused else 2]


@pytest.mark.parametrize("refused", [False, True])
def test_all_that_moved_before_the_locks_is_reckoned_until_something_differs(
    few: House, monkeypatch: pytest.MonkeyPatch, *, refused: bool
) -> None:
    """On a plan on which very much is recorded a change that comes to the same is made all the same."""
    for name in ("s0", "s4"):
        few.subscribe(name)
        few.use(400, at=day(3), name=name)
    new = quota("100", DOLLAR, "period")
    run, looked = rehearse(few, new), list[str]()
    reckon, lock, moving = reckoned_ahead.foresee_plan, plan_quotas.lock_shards, ["s0", "s1", "s4"]
    monkeypatch.setattr(reckoned_ahead, "AT_A_TIME", 1)
    monkeypatch.setattr(reckoned_ahead, "_FEW", 0)

    def reckon_beside(session: Any, change: Any, ids: Any, **more: Any) -> Any:
        found = reckon(session, change, ids, **more)
        looked.extend(ids)
        if "locked" not in looked and ids[0] in moving:
            few.use(1, at=day(10), name=ids[0])
        return found

    def lock_beside(*shards: Any) -> Any:
        if refused:
            few.use(1, at=day(10), name="s2")
        looked.append("locked")
        return lock(*shards)

    monkeypatch.setattr(reckoned_ahead, "foresee_plan", reckon_beside)
    monkeypatch.setattr(plan_quotas, "lock_shards", lock_beside)
    with pytest.raises(Conflict) if refused else nullcontext():
        make(few, new, digest=run.digest)
    rounds = ["s0", "s1", "s2", "s3", "s4", *moving, "locked"]
    assert looked == [*rounds, *(["s0", "s1", "s2"] if refused else moving)]
    assert scalars(few.engine, "SELECT count(*) FROM usage_quotas") == [1 if refused else 2]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE plans SET name = 'b' WHERE id = 'a'",
        "UPDATE usage_quotas SET ended_at = NULL",
        "UPDATE subscription_terms SET paused = paused",
        "UPDATE usage_summaries SET to_rate = to_rate",
        "UPDATE invoices SET total = total WHERE status = 'draft'",
        "UPDATE usage_invoice_items SET amount = amount",
        "UPDATE fee_charges SET to_charge = to_charge",
        "UPDATE subscriptions SET version = version",
    ],
)
def test_whatever_is_written_that_is_reckoned_with_has_it_reckoned_anew(few: House, statement: str) -> None:
    few.version("a", "5", at=day(5), effective="now")
    few.bill(day(6))
    with transaction(few.engine) as session:
        version, _ = plan_quotas._next_version(session, quota("9", DOLLAR, None), now=NOW, lock=False, known=Marks())
        change = plan_quotas._change(session, version, now=NOW)
        ahead = reckoned_ahead.reckon_ahead(session, change, now=NOW, adjust_within=timedelta(days=31))
        assert ahead.moved(session) == []
        with few.engine.begin() as other:
            other.execute(text(statement))
        assert ahead.moved(session) != []


def test_a_grant_in_units_has_all_subscriptions_of_its_customer_reckoned_anew(few: House) -> None:
    wallet = NewWallet(id="w", customer_id="ann", unit_name="calls", usage_types=["calls"])
    grant = NewGrant(amount=Decimal(50), idempotency_key="k", effective_at=day(1))
    with transaction(few.engine) as session:
        create_wallet(session, wallet, actor="a test", now=day(5))
        make_grant(session, "w", grant, actor="a test", now=day(5), grace=timedelta(hours=1))
    with transaction(few.engine) as session:
        version, _ = plan_quotas._next_version(session, quota("9", DOLLAR, None), now=NOW, lock=False, known=Marks())
        change = plan_quotas._change(session, version, now=NOW)
        ahead = reckoned_ahead.reckon_ahead(session, change, now=NOW, adjust_within=timedelta(days=31))
        assert ahead.moved(session) == []
        with few.engine.begin() as other:
            other.execute(text("UPDATE wallet_grants SET priority = priority"))
        assert ahead.moved(session) == ["s1", "s2", "s3"]


def test_what_a_plan_refuses_its_rehearsal_refuses(few: House) -> None:
    for new in (quota("0", DOLLAR, "period", reprice_usage=False), quota("0", DOLLAR, day(2, hour=5))):
        with nothing_stored(few.engine), pytest.raises(Conflict) as refused:
            rehearse(few, new)
        assert refused.value.code in {"would_reprice", "usage_later"}
    few.bill(day(1, month=2) + timedelta(hours=2))
    with nothing_stored(few.engine), pytest.raises(Conflict) as refused:
        rehearse(few, fee("5", "start"), now=day(2, month=2))
    assert refused.value.code == "already_invoiced"


def test_a_rehearsal_holds_nothing_up(few: House) -> None:
    with few.engine.connect() as other:
        for table in ("subscriptions", "plans", "usage_summaries", "usage_quotas", "fee_charges", "invoices"):
            other.execute(text(f"SELECT FROM {table} FOR UPDATE"))
        other.execute(text("SELECT pg_advisory_xact_lock(1430388737, shard) FROM generate_series(0, 255) AS shard"))
        for new in (quota("0", DOLLAR, "now"), fee("5", "now")):
            assert rehearse(few, new).status == "completed"
        other.rollback()


def test_no_run_is_held_to_a_rehearsal_of_a_plan(few: House) -> None:
    run = rehearse(few, quota("100", DOLLAR, "period"))
    with transaction(few.engine) as session:
        now = run.started_at
        assert find_rehearsal(session, str(run.digest), subscription_id=None, now=now) is None


def test_what_cannot_be_reckoned_is_a_warning(few: House) -> None:
    with few.engine.begin() as connection:
        connection.execute(text("UPDATE subscriptions SET timezone = 'Mars/Olympus' WHERE id = 's1'"))
    run = rehearse(few, quota("100", DOLLAR, "period"))
    assert [one["subscriptionId"] for one in run.warnings] == ["s1"]
    assert run.foreseen is not None
    assert [one.subscription_id for one in run.foreseen.subscriptions] == ["s2"]
