"""Which grants pay for the usage of some customers as the books are: computed when asked, and not stored.

Needs are read without locks. Those of a summary that cuts of its wallet divide come from its recordings' marks.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.db.rows import read_rows
from usage_billing.prepaid.burn_down import (
    Closing,
    DrawKey,
    Draws,
    Need,
    NeedKey,
    allocate_after,
    covered_of,
    windows_of,
)
from usage_billing.rating.engine import stored_price
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.models import Grant, GrantStatus, Wallet
from usage_billing.wallets.queries import covered_before, draws_of, grants_of, scopes_of, wallets_of
from usage_billing.wallets.service import DrawnFrom
from usage_billing.wallets.windows import by_window, divided

_NOTHING = Decimal(0)
_SUMMARIES = text("""
    SELECT s.id, c.customer_id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end, s.beyond_limit,
        s.events, s.voids, s.frozen, q.price
    FROM subscriptions AS c JOIN usage_summaries AS s ON s.subscription_id = c.id
    LEFT JOIN usage_quotas AS q ON q.id = s.quota_id
    WHERE c.customer_id = ANY(CAST(:customers AS text[])) AND s.usage_type_id = ANY(CAST(:types AS text[]))
        AND (s.period_end > :since OR s.id = ANY(CAST(:posted AS bigint[])))
""")


@dataclass(slots=True)
class CoveredUsage:
    """A summary that a wallet may pay for."""

    id: int
    customer_id: str
    subscription_id: str
    usage_type_id: str
    period_start: datetime
    period_end: datetime
    beyond_limit: Decimal
    events: int
    voids: int
    frozen: bool
    price: Mapping[str, object] | None

    @property
    def wants(self) -> Decimal:
        """What of it grants may pay for: nothing where a price has a rule for each recording or for each cell."""
        if self.frozen or self.price is None or not pays_for(self.price):
            return _NOTHING
        return self.beyond_limit


@dataclass(slots=True)
class Allocation:
    """A wallet, its grants by id in the order they were made, and every draw; ``posted`` is what of them is final."""

    wallet: Wallet
    usage_types: list[str]
    grants: list[Grant]
    posted: Draws
    draws: Draws = field(default_factory=dict)
    usage: dict[int, CoveredUsage] = field(default_factory=dict)

    def changes(self) -> Iterator[tuple[DrawKey, Decimal]]:
        """What posting all of it would change: the draw, and by how much."""
        for key in sorted({*self.draws, *self.posted}):
            change = EXACT.subtract(self.draws.get(key, _NOTHING), self.posted.get(key, _NOTHING))
            if change:
                yield key, change

    def drawn(self, key: NeedKey) -> DrawnFrom:
        """The window, with what is known of its summary."""
        usage = self.usage[key.summary_id]
        return DrawnFrom(summary_id=usage.id, window_start=key.window_start, events=usage.events, voids=usage.voids)


def pays_for(price: Mapping[str, object]) -> bool:
    """Whether grants pay for usage at a price: not where each recording or each cell is charged by itself."""
    read = stored_price(price)
    return not read.reads_each and price.get("model") != "by_dimension"


def allocations(
    session: Session,
    customer_ids: Collection[str],
    *,
    now: datetime,
    beyond: Mapping[int, Decimal] | None = None,
    wallets: Sequence[Wallet] | None = None,
) -> list[Allocation]:
    """The wallets of these customers, by id, each with its draws; nothing is read where there are none.

    A grant whose time to close has come by ``now`` pays for what had arrived until then, whether it is closed or not.
    ``beyond`` is what lies beyond the allowance of summaries that the caller sees otherwise than they are stored.
    """
    found = wallets_of(session, customer_ids) if wallets is None else wallets
    if not found:
        return []
    ids = [wallet.id for wallet in found]
    books = {wallet.id: Allocation(wallet, [], [], {}) for wallet in found}
    for scope in scopes_of(session, ids):
        books[scope.wallet_id].usage_types.append(scope.usage_type_id)
    for grant in grants_of(session, ids):
        books[grant.wallet_id].grants.append(grant)
    for draw in draws_of(session, ids):
        key = DrawKey(NeedKey(draw.summary_id, draw.window_start), draw.grant_id)
        books[draw.wallet_id].posted[key] = draw.posted
    _read_usage(session, books, beyond or {})
    for book in books.values():
        _allocate(session, book, now=now)
    return list(books.values())


class CoverageChanges(NamedTuple):
    """The wallets of some customers, and the summaries of which more or less is paid for than billing has rated."""

    wallets: Sequence[Wallet] = ()
    changed: Sequence[CoveredUsage] = ()


def coverage_changes(session: Session, customer_ids: Collection[str], *, now: datetime) -> CoverageChanges:
    """What billing has to rate again because other usage, a grant or a closing moved what is paid for."""
    found = allocations(session, customer_ids, now=now)
    if not found:
        return CoverageChanges()
    covered = covered_by(found)
    usage = {id: one for book in found for id, one in book.usage.items()}
    rated = covered_before(session, list(usage))
    changed = [one for id, one in sorted(usage.items()) if covered.get(id, _NOTHING) != rated.get(id, _NOTHING)]
    return CoverageChanges([book.wallet for book in found], changed)


def covered_by(found: Sequence[Allocation]) -> dict[int, Decimal]:
    """How many units of each summary are paid for, by id."""
    covered: dict[int, Decimal] = {}
    for book in found:
        covered |= covered_of(book.draws)
    return covered


def provisional_of(book: Allocation, grant: Grant) -> Decimal:
    """What a grant pays for that is not posted; below 0 where more is posted than usage wants by now."""
    drawn = sum_of(quantity for key, quantity in book.draws.items() if key.grant_id == grant.id)
    return EXACT.subtract(drawn, grant.posted)


def _read_usage(session: Session, books: Mapping[str, Allocation], beyond: Mapping[int, Decimal]) -> None:
    begins = [
        grant.covers_since or grant.effective_at for book in books.values() for grant in book.grants if grant.counts
    ]
    if not begins:
        return
    asked = {
        "customers": sorted({book.wallet.customer_id for book in books.values()}),
        "types": sorted({name for book in books.values() for name in book.usage_types}),
        "since": min(begins),
        "posted": sorted({key.need.summary_id for book in books.values() for key in book.posted}),
    }
    places = {
        (book.wallet.customer_id, book.wallet.subscription_id, name): book
        for book in books.values()
        for name in book.usage_types
    }
    for usage in read_rows(session.execute(_SUMMARIES, asked), CoveredUsage):
        usage.beyond_limit = beyond.get(usage.id, usage.beyond_limit)
        own = (usage.customer_id, usage.subscription_id, usage.usage_type_id)
        book = places.get(own) or places.get((usage.customer_id, None, usage.usage_type_id))
        if book is not None:
            book.usage[usage.id] = usage


def _allocate(session: Session, book: Allocation, *, now: datetime) -> None:
    edges = [(grant.effective_at, grant.expires_at, grant.covers_since) for grant in book.grants if grant.counts]
    cuts = sorted({cut for edge in edges for cut in edge if cut is not None})
    windows = {id: windows_of(one.period_start, one.period_end, cuts) for id, one in book.usage.items()}
    cut = [id for id, starts in windows.items() if len(starts) > 1 and book.usage[id].wants]
    parts = by_window(session, cut, cuts)
    wanted = {
        id: [one.wants] if len(windows[id]) == 1 else divided(one.wants, windows[id], parts.get(id, {}))
        for id, one in book.usage.items()
    }
    closings = [
        Closing(ids, _needs(book, windows, _wanted_until(session, book, windows, cuts, until=until)))
        for until, ids in _overdue(book.grants, now).items()
    ]
    grants = [drawable(grant) for grant in book.grants]
    book.draws = allocate_after(closings, _needs(book, windows, wanted), grants, book.posted)


def _overdue(grants: Iterable[Grant], now: datetime) -> dict[datetime, frozenset[UUID]]:
    """The grants that are still to be closed by the time that they should have been, the earliest first."""
    found: dict[datetime, set[UUID]] = {}
    for grant in grants:
        if grant.status == GrantStatus.ACTIVE and grant.closes_at is not None and grant.closes_at <= now:
            found.setdefault(grant.closes_at, set()).add(grant.id)
    return {closes_at: frozenset(found[closes_at]) for closes_at in sorted(found)}


def _wanted_until(
    session: Session,
    book: Allocation,
    windows: Mapping[int, Sequence[datetime]],
    cuts: Sequence[datetime],
    *,
    until: datetime,
) -> dict[int, list[Decimal]]:
    """What each window of each summary wants by what had arrived before ``until`` and counts still."""
    wanting = [id for id, one in book.usage.items() if one.wants]
    parts = by_window(session, wanting, cuts, until=until)
    found: dict[int, list[Decimal]] = {}
    for id, starts in windows.items():
        arrived = parts.get(id, {})
        later = [arrived.get(start, _NOTHING) for start in starts[1:]]
        found[id] = [EXACT.subtract(sum_of(arrived.values()), sum_of(later)), *later]
    return found


def _needs(
    book: Allocation, windows: Mapping[int, Sequence[datetime]], wanted: Mapping[int, Sequence[Decimal]]
) -> list[Need]:
    return [
        Need(
            key=NeedKey(id, start),
            subscription_id=usage.subscription_id,
            usage_type_id=usage.usage_type_id,
            quantity=quantity,
        )
        for id, usage in book.usage.items()
        for start, quantity in zip(windows[id], wanted[id], strict=True)
    ]
