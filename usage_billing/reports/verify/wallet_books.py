"""Wallets in units, read anew for their proof: grants, what usage wants in each window, and postings in their order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.arithmetic import by_recording
from usage_billing.reports.verify.drawn import Closing
from usage_billing.reports.verify.drawn_words import NOTHING, Carry, Payer, Place, Wants
from usage_billing.reports.verify.slate import Owing
from usage_billing.reports.verify.terms import load_catalogue
from usage_billing.reports.verify.unused import unused_now
from usage_billing.reports.verify.wallet_meters import MeterUse, uses_of_meters

_WALLETS = """
    SELECT w.id, w.customer_id, w.subscription_id, w.overdraft, o.id AS line, o.effective_at AS owes_since,
        now() AS now, w.closed_at
    FROM wallets AS w LEFT JOIN wallet_grants AS o ON o.wallet_id = w.id AND o.category = 'overdraft'
    WHERE w.unit_name IS NOT NULL AND (CAST(:only AS text) IS NULL OR EXISTS (
            SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id))
        AND EXISTS (SELECT FROM {} AS d WHERE d.wallet_id = w.id)
    ORDER BY w.id
"""
_POSTED = text(_WALLETS.format("wallet_draws"))
_WATCHED = text(_WALLETS.format("alert_wallets"))
_GRANTS = text(
    """
    SELECT g.*, o.id AS opening, f.status = 'active' AS follows,
        least(g.rollover_max, trunc(f.amount * g.rollover_percent / 100, 12),
            CASE WHEN f.reset_at IS NOT NULL THEN 0 END) AS most,
        (g.kept_in IS NOT NULL OR EXISTS (SELECT FROM wallet_grants AS r WHERE r.rolls_from = g.id))
            AND g.status = 'active' AS is_followed,
        k.moves AS follows_many, k.fixed
    FROM wallet_grants AS g LEFT JOIN wallet_grants AS f ON f.id = g.rolls_from
    CROSS JOIN LATERAL (SELECT coalesce(bool_or(status = 'active'), false) AS moves,
            coalesce(sum(rolled_over) FILTER (WHERE status <> 'active'), 0) AS fixed
        FROM wallet_grants WHERE wallet_id = g.wallet_id AND kept_in = g.id) AS k
    CROSS JOIN LATERAL (SELECT min(id) AS id FROM wallet_transfers
        WHERE grant_id = g.id AND kind IN ('sold', 'given', 'rolled_in')) AS o
    WHERE g.wallet_id = :wallet AND g.activated_at IS NOT NULL
    """
)
_USAGE = text(
    """
    SELECT s.*, a.ended_at, q.price, y.of, coalesce(c.covered, 0) AS covered,
        y.of IS NULL OR (y.aggregation IN ('sum', 'count') AND d.windowing IS NULL) AS adds_up,
        d.mode IS NULL AND NOT EXISTS (SELECT FROM usage_summaries AS b WHERE b.id <> s.id
            AND (b.subscription_id, b.usage_type_id, b.bills_at) = (s.subscription_id, s.usage_type_id, s.bills_at)
        ) AS is_alone,
        EXISTS (SELECT FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
            WHERE t.summary_id = s.id AND i.status = 'draft') AS drafted
    FROM subscriptions AS a JOIN usage_summaries AS s ON s.subscription_id = a.id
    JOIN usage_types AS y ON y.id = s.usage_type_id
    LEFT JOIN meter_definitions AS d ON d.usage_type_id = y.id AND d.version = 1
    LEFT JOIN usage_quotas AS q ON q.id = s.quota_id LEFT JOIN covered_summaries AS c ON c.summary_id = s.id
    WHERE a.customer_id = :customer AND coalesce(:subscription, a.id) = a.id
        AND s.usage_type_id IN (SELECT usage_type_id FROM wallet_scopes WHERE wallet_id = :wallet)
        AND (CAST(:subscription AS text) IS NOT NULL OR NOT EXISTS (
            SELECT FROM wallet_scopes AS own WHERE own.customer_id = a.customer_id AND own.subscription_id = a.id
                AND own.usage_type_id = s.usage_type_id))
    """
)
_MARKS = text(
    """
    SELECT u.summary_id, width_bucket(u.occurred_at, CAST(:cuts AS timestamptz[])) AS place,
        sum(u.beyond_limit) AS beyond
    FROM usage AS u LEFT JOIN usage_voids AS v ON v.usage_id = u.id
    WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) AND v.usage_id IS NULL
        AND u.received_at < coalesce(CAST(:until AS timestamptz), 'infinity')
    GROUP BY 1, 2
    """
)
_LATEST = text("SELECT max(received_at) FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[]))")
_GROSS = text(
    "SELECT summary_id, sum(quantity) AS units FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[])) GROUP BY 1"
)
_POSTINGS = text(
    """
    SELECT t.*, coalesce(i.status, '') AS invoice_status
    FROM wallet_transfers AS t LEFT JOIN invoices AS i ON i.id = t.invoice_id
    WHERE t.wallet_id = :wallet ORDER BY t.id
    """
)

_LATER = 2**63  # nothing was carried over to it yet


@dataclass(slots=True)
class WalletBook:
    """A wallet in units: ``payers`` and the id of each one's first transfer, the rows of its usage, and what it wants.

    ``following`` are the open grants that have what was left of an allowance, and ``unused`` is how much that is by
    now. ``transfers`` are in the order posted, in groups that were posted together. ``meters`` says what summaries of
    meters want. It was read at ``now``.
    """

    id: str
    now: datetime
    payers: dict[UUID, Payer] = field(default_factory=dict)
    openings: dict[UUID, int] = field(default_factory=dict)
    usage: dict[int, Any] = field(default_factory=dict)
    meters: dict[int, MeterUse] = field(default_factory=dict)
    following: list[Any] = field(default_factory=list)
    unused: dict[UUID, Fraction] = field(default_factory=dict)
    cuts: list[datetime] = field(default_factory=list)
    wants: list[Wants] = field(default_factory=list)
    transfers: list[list[Any]] = field(default_factory=list)
    owing: Owing | None = None


def books(session: Session, only: str | None, *, watched: bool = False) -> Iterator[WalletBook]:
    """Every wallet in units of which something is posted; of one subscription those of its customer.

    With ``watched`` those whose balance alerts watch, instead.
    """
    for row in session.execute(_WATCHED if watched else _POSTED, {"only": only}).all():
        book = WalletBook(row.id, row.now)
        if row.overdraft is not None:
            book.owing = Owing(row.line, row.owes_since, Fraction(row.overdraft), row.now, row.closed_at)
        grants = session.execute(_GRANTS, {"wallet": row.id}).all()
        for grant in grants:
            book.payers[grant.id], book.openings[grant.id] = _payer(grant, grants), grant.opening or _LATER
            if _is_unused(grant):
                book.following.append(grant)
        if book.following:
            book.unused = unused_now(session, load_catalogue(session), book.following)
        asked = {"wallet": row.id, "customer": row.customer_id, "subscription": row.subscription_id}
        book.usage = {one.id: one for one in session.execute(_USAGE, asked)}
        edges = ((one.since, one.end, one.back_to) for one in book.payers.values())
        starts = [] if book.owing is None else [book.owing.since, *([row.closed_at] if row.closed_at else [])]
        book.cuts = sorted({*starts, *(cut for edge in edges for cut in edge if cut is not None)})
        metered = (one for one in book.usage.values() if one.of is not None and is_paid_for(one))
        book.meters = uses_of_meters(session, metered, book.cuts)
        book.wants = wants_of(session, book)
        for transfer in session.execute(_POSTINGS, {"wallet": row.id}):
            if not book.transfers or book.transfers[-1][0].at != transfer.at:
                book.transfers.append([])
            book.transfers[-1].append(transfer)
        book.transfers = [moved for together in book.transfers if (moved := _moved(together))]
        yield book


def wants_of(session: Session, book: WalletBook, *, until: datetime | None = None) -> list[Wants]:
    """What each window wants of what had arrived before ``until``, by the marks of its recordings.

    A meter wants what it does by now: when its recordings arrived is not kept.
    """
    asked = {"ids": list(book.usage), "cuts": book.cuts, "until": until}
    units: dict[Place, Fraction] = {}
    for row in session.execute(_MARKS, asked):
        start = book.usage[row.summary_id].period_start
        since = max(start, book.cuts[row.place - 1]) if row.place else start
        place = Place(row.summary_id, since)
        units[place] = units.get(place, NOTHING) + Fraction(row.beyond)
    for id, use in book.meters.items():
        units |= {Place(id, start): wanted for start, wanted in use.wants.items()}
    return [
        Wants(place, usage.subscription_id, usage.usage_type_id, wanted, usage.ended_at)
        for place, wanted in units.items()
        if wanted > 0 and is_paid_for(usage := book.usage[place.summary_id])
    ]


def closings_of(session: Session, book: WalletBook) -> list[Closing]:
    """The moments at which grants that are not closed yet should have been, before the latest recording arrived.

    Where a wallet may owe those by now: what a grant repays that begins later is nothing that an earlier one loses. So
    where it pays for a meter, of which it is not kept when recordings arrived.
    """
    latest = session.execute(_LATEST, {"ids": list(book.usage)}).scalar()
    if book.meters or (latest is not None and book.owing is not None):
        latest = book.now if latest is None else max(latest, book.now)
    moments = {one.closes_at for one in book.payers.values() if one.active and one.closes_at is not None}
    past = [at for at in sorted(moments) if latest is not None and at <= latest]
    catalogue = load_catalogue(session) if past and book.following else None
    return [
        Closing(
            at,
            wants_of(session, book, until=at),
            {} if catalogue is None else unused_now(session, catalogue, book.following, until=at),
        )
        for at in past
    ]


def gross_of(session: Session, book: WalletBook, ids: Iterable[int]) -> dict[int, Fraction]:
    """All that was ever recorded of these summaries, also what was taken back."""
    ids = list(ids)
    found = {row.summary_id: Fraction(row.units) for row in session.execute(_GROSS, {"ids": ids})}
    return found | {id: book.meters[id].gross for id in ids if id in book.meters}


def latest_of(session: Session, book: WalletBook, summary_id: int) -> datetime | None:
    """When the last recording of a summary arrived."""
    if summary_id in book.meters:
        return book.meters[summary_id].latest
    found: datetime | None = session.execute(_LATEST, {"ids": [summary_id]}).scalar()
    return found


def is_paid_for(usage: Any) -> bool:
    """Whether grants pay for a summary: not where each recording or each cell is charged by itself."""
    price = usage.price
    return bool(price) and not usage.frozen and not by_recording(price) and price.get("model") != "by_dimension"


def _moved(together: Sequence[Any]) -> list[Any]:
    """These transfers without what came back and was posted again at once, as only its cost moved."""
    back: dict[Any, list[int]] = {}
    gone: set[int] = set()
    for one in together:
        key = one.grant_id, one.summary_id, one.fee_id, one.window_start, one.invoice_id, one.amount
        if one.kind == "returned":
            back.setdefault(key, []).append(one.id)
        elif one.kind == "used" and back.get(key):
            gone |= {one.id, back[key].pop()}
    return [one for one in together if one.id not in gone]


def _payer(grant: Any, grants: Sequence[Any]) -> Payer:
    units = Fraction(grant.amount) - Fraction(grant.expired) - Fraction(grant.taken_back) - Fraction(grant.refunded)
    if grant.follows or grant.follows_many:  # it is found anew, and so is what leaves the grants that it is from
        units -= Fraction(grant.amount)
    elif not grant.is_followed:
        units -= Fraction(grant.rolled_over)
    most = None if grant.most is None else Fraction(grant.most)
    if _is_unused(grant):
        return Payer.of(grant, units - Fraction(grant.amount), Carry((), None))
    if grant.follows_many:
        going = [one for one in grants if one.kept_in == grant.id and one.status == "active"]
        return Payer.of(grant, units, Carry(_in_giving_order(going), most, Fraction(grant.fixed)))
    return Payer.of(grant, units, Carry((grant.rolls_from,), most) if grant.follows else None)


def _in_giving_order(grants: Sequence[Any]) -> list[UUID]:
    """The ids of grants that a reset keeps some of: the dearest unit first, else what pays last."""
    free = {grant.id: grant.cost_currency is None for grant in grants}
    last_first = sorted((Payer.of(grant, NOTHING) for grant in grants), key=lambda one: one.turn, reverse=True)
    return [one.id for one in sorted(last_first, key=lambda one: (-one.price_of_one, free[one.id]))]


def _is_unused(grant: Any) -> bool:
    """Whether a grant has what an allowance left, and that may move."""
    return grant.unused_of is not None and grant.status == "active"
