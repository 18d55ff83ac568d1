"""What wallets cost: batches whose subscriptions have one, balances with a long past, and runs in which half draw.

That books without a wallet are as fast as before is measured by ``builds``, beside the build before.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.billing import ENVIRONMENT, Month, settle_schedule
from benchmarks.events import percentile
from benchmarks.kept import keep
from benchmarks.load import get, save
from benchmarks.machine import Machine, key, machine
from benchmarks.report import Figure, rate
from benchmarks.seed import seed_usage
from benchmarks.turns import in_turns

_QUESTIONS, _ROUNDS = 100, 10
_OPEN, _CLOSED = 10, 1_000
# One in units of the first usage type for each of these subscriptions.
_WALLETS = """
    WITH counted AS (SELECT id, unit_name FROM usage_types ORDER BY id LIMIT 1), made AS (
        INSERT INTO wallets (id, customer_id, subscription_id, unit_name)
        SELECT 'w-' || s.id, s.customer_id, s.id, t.unit_name FROM subscriptions AS s CROSS JOIN counted AS t
        WHERE s.id LIKE %s RETURNING *
    )
    INSERT INTO wallet_scopes (wallet_id, usage_type_id, customer_id, subscription_id)
    SELECT m.id, t.id, m.customer_id, m.subscription_id FROM made AS m CROSS JOIN counted AS t
"""
_GRANTS = """
    INSERT INTO wallet_grants (id, wallet_id, key, category, priority, amount, effective_at, expires_at, closes_at,
        status, expired)
    SELECT gen_random_uuid(), w.id, 'grant ' || n, 'promotional', 50, a.amount, '2020-01-01Z',
        CASE WHEN n <= a.closed THEN timestamptz '2020-01-02Z' + n * interval '1 hour' END,
        CASE WHEN n <= a.closed THEN timestamptz '2020-01-03Z' + n * interval '1 hour' END,
        CASE WHEN n <= a.closed THEN 'closed' ELSE 'active' END, CASE WHEN n <= a.closed THEN a.amount ELSE 0 END
    FROM (SELECT %s::numeric AS amount, %s::int AS closed, %s::int AS number) AS a
    CROSS JOIN wallets AS w CROSS JOIN generate_series(1, a.number) AS n
"""
_TRANSFERS = """
    INSERT INTO wallet_transfers (wallet_id, grant_id, kind, debit, credit, amount, cost)
    SELECT wallet_id, id, 'given', 'grant', 'given', amount, 0 FROM wallet_grants
    UNION ALL
    SELECT wallet_id, id, 'expired', 'expired', 'grant', amount, 0 FROM wallet_grants WHERE status = 'closed'
"""
_RULES = """
    INSERT INTO top_up_rules (wallet_id, customer_id, below, amount, cooldown_seconds)
    SELECT id, customer_id, 1, 10, 0 FROM wallets
"""


def run(*, quick: bool) -> list[Figure]:
    """Measure each part, with and without wallets in turns."""
    return [*_batches(quick=quick), _balance(quick=quick), _run(quick=quick)]


def _batches(*, quick: bool) -> list[Figure]:
    number, rounds = (10_000, 1) if quick else (100_000, 5)
    with _recording() as none, _recording(wallets=True) as some, _recording(wallets=True, rules=True) as watched:
        machines = {"none": none, "some": some, "watched": watched}
        for made in machines.values():
            record(made, 5_000, batch=1000)
        rates = in_turns(
            rounds,
            {
                name: lambda made=made: number / record(made, number, batch=1000).seconds
                for name, made in machines.items()
            },
        )
    return [
        Figure(
            what=f"batches of 1,000, {SUBSCRIPTIONS} subscriptions with a {what}",
            measured=rate(rates.middle(name), 1),
            yardstick=f"{rate(rates.middle('none'), 1)} without",
            value=rates.ratio(name, "none"),
            at_least=bound,
        )
        for name, what, bound in (("some", "wallet each", 0.95), ("watched", "watched wallet each", 0.85))
    ]


def _balance(*, quick: bool) -> Figure:
    rounds = 3 if quick else _ROUNDS
    with _recording() as little, _recording() as much:
        for made, closed in ((little, 0), (much, _CLOSED)):
            record(made, 1_000, batch=1000)
            _fill(made, "sub0", amount=100, closed=closed, number=closed + _OPEN)
        times: dict[str, list[float]] = {"little": [], "much": []}
        for _ in range(rounds + 1):
            for name, made in (("little", little), ("much", much)):
                times[name].append(0)
                times[name] += _asked(made)
        few, many = (percentile(found[_QUESTIONS + 1 :], 99) for found in times.values())
    return Figure(
        what=f"p99 of a balance, {_CLOSED:,} closed grants and {_OPEN} open ones",
        measured=f"{many:.1f} ms",
        yardstick=f"{few:.1f} ms with {_OPEN} in all",
        value=many / few,
        at_most=1.2,
    )


def _run(*, quick: bool) -> Figure:
    subscriptions, rounds = (1_000, 1) if quick else (20_000, 3)
    with _month(subscriptions) as none, _month(subscriptions, half=True) as half:
        seconds = in_turns(rounds, {"none": none.bill, "half": half.bill})
    return Figure(
        what=f"a run over {subscriptions:,} subscriptions, of which half draw on a wallet",
        measured=f"{seconds.middle('half'):.1f} s",
        yardstick=f"{seconds.middle('none'):.1f} s without",
        value=seconds.ratio("half", "none"),
        at_most=1.5,
    )


@contextmanager
def _recording(*, wallets: bool = False, rules: bool = False) -> Iterator[Machine]:
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        if wallets:
            _fill(made, "sub%", amount=10**9)
        if rules:
            made.sql(_RULES)
        yield made


@contextmanager
def _month(subscriptions: int, *, half: bool = False) -> Iterator[Month]:
    with machine(environment=ENVIRONMENT) as made:
        settle_schedule(made)
        url = made.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        seed_usage(url, subscriptions=subscriptions, events=subscriptions * 10)
        if half:
            for last in range(0, 10, 2):
                _fill(made, f"sub%{last}", amount=5, wallets_only=last < 8)
        keep(made)
        yield Month(made, subscriptions)


def _fill(
    made: Machine, names: str, *, amount: int, closed: int = 0, number: int = 1, wallets_only: bool = False
) -> None:
    """Wallets for the subscriptions whose names are like ``names``, and then grants for all wallets."""
    made.sql(_WALLETS, names)
    if not wallets_only:
        made.sql(_GRANTS, amount, closed, number)
        made.sql(_TRANSFERS)
    made.vacuum()


def _asked(made: Machine) -> list[float]:
    """Milliseconds of each answer."""
    file = made.home / "requests"
    save(file, (get("/api/wallets/w-sub0", key=key()) for _ in range(_QUESTIONS)))
    answers = made.client(file, connections=2)
    if set(answers.statuses) != {"200"}:
        raise RuntimeError(f"not all were answered: {answers.statuses}")
    return list(answers.times)
