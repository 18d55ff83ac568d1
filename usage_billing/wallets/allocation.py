"""A wallet with its grants, what is posted, and what each grant pays for as the books are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.prepaid.allocating import Allocated, Parts
from usage_billing.prepaid.burn_down import DrawKey, Draws, NeedKey, covered_of
from usage_billing.prepaid.owing import Overdraft
from usage_billing.rating.engine import stored_price
from usage_billing.wallets.models import OVERDRAFT, Grant, GrantStatus, Wallet
from usage_billing.wallets.occurrences import grants_due
from usage_billing.wallets.past import past_cuts
from usage_billing.wallets.queries import draws_of, grants_of, open_grants_of
from usage_billing.wallets.service import DrawnFrom

_NOTHING = Decimal(0)


def pays_for(price: Mapping[str, object]) -> bool:
    """Whether grants pay for usage at a price: not where each recording or each cell is charged by itself."""
    read = stored_price(price)
    return not read.reads_each and price.get("model") != "by_dimension"


@dataclass(slots=True)
class CoveredUsage:
    """A summary that a wallet may pay for; one ``is_metered`` that has the ``total`` of a meter, and no recordings.

    One that does not ``adds_up`` is not divided: all of it is wanted where it begins. Without a summary yet its ``id``
    is below 0.
    """

    id: int
    customer_id: str
    subscription_id: str
    usage_type_id: str
    period_start: datetime
    period_end: datetime
    total: Decimal
    beyond_limit: Decimal
    events: int
    voids: int
    frozen: bool
    price: Mapping[str, object] | None
    ends_at: datetime | None
    is_metered: bool
    adds_up: bool

    @property
    def wants(self) -> Decimal:
        """What of it grants may pay for: nothing where a price has a rule for each recording or for each cell."""
        if self.frozen or self.price is None or not pays_for(self.price):
            return _NOTHING
        return self.beyond_limit


@dataclass(slots=True)
class Allocation:
    """A wallet, its grants by id in the order they were made, and every draw; ``posted`` is what of them is final.

    ``usage`` has what wants units, by summary id. ``known`` says how many recordings and voids of each summary count.
    ``unstored`` has the ids, below 0, of segments without a summary, by subscription, usage type and start.
    ``carried`` is how much grants have that carry over from others that are not closed, ``parts`` what of it is from
    which; or from an allowance: that is in ``unused``. ``drawn_from`` is what all draws of each grant come to.
    ``past_cuts`` are where grants divide usage that are left out, as they are closed and nothing is posted of them.
    ``overdraft`` is there where the wallet may owe, with draws of its own.
    """

    wallet: Wallet
    usage_types: list[str]
    grants: list[Grant]
    posted: Draws
    draws: Draws = field(default_factory=dict)
    usage: dict[int, CoveredUsage] = field(default_factory=dict)
    known: dict[int, tuple[int, int]] = field(default_factory=dict)
    unstored: dict[tuple[str, str, datetime], int] = field(default_factory=dict)
    carried: dict[UUID, Decimal] = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    drawn_from: dict[UUID, Decimal] = field(default_factory=dict)
    unused: Mapping[UUID, Decimal] = field(default_factory=dict)
    past_cuts: Sequence[datetime] = ()
    overdraft: Grant | None = None

    @property
    def payers(self) -> dict[UUID, Grant]:
        """The grants and the overdraft, by id."""
        return {grant.id: grant for grant in (*self.grants, *([] if self.overdraft is None else [self.overdraft]))}

    @property
    def begins(self) -> list[datetime]:
        """From when on each grant that ever counted pays for something, and the overdraft."""
        found = [grant.covers_since or grant.effective_at for grant in self.grants if grant.counts]
        return found if self.overdraft is None else [*found, self.overdraft.effective_at]

    @property
    def owed(self) -> Decimal:
        """What is owed by now, posted or not."""
        return _NOTHING if self.overdraft is None else self.drawn_from.get(self.overdraft.id, _NOTHING)

    def grant_named(self, grant_id: UUID) -> UUID | None:
        """The id of a grant that pays; None for what is owed."""
        return None if self.is_overdraft(grant_id) else grant_id

    def is_overdraft(self, grant_id: UUID) -> bool:
        """Whether what was drawn there is owed."""
        return self.overdraft is not None and self.overdraft.id == grant_id

    def put(self, found: Allocated) -> None:
        """Keep what the rule found."""
        self.draws, self.carried, self.parts = found
        self.drawn_from = {}
        for key, quantity in found.draws.items():
            self.drawn_from[key.grant_id] = EXACT.add(self.drawn_from.get(key.grant_id, _NOTHING), quantity)

    def amount_of(self, grant: Grant) -> Decimal:
        """How much a grant has: of one that carries over, while that follows late usage, what it has by now."""
        return self.carried.get(grant.id, grant.amount)

    def carried_from(self, grant: Grant) -> Decimal:
        """How much of a grant is carried over to another by now."""
        parts = [part for (source_id, _), part in self.parts.items() if source_id == grant.id]
        return sum_of(parts) if parts else grant.rolled_over

    def changes(self) -> Iterator[tuple[DrawKey, Decimal]]:
        """What posting all of it would change: the draw, and by how much."""
        for key in sorted({*self.draws, *self.posted}):
            change = EXACT.subtract(self.draws.get(key, _NOTHING), self.posted.get(key, _NOTHING))
            if change:
                yield key, change

    def drawn(self, key: NeedKey) -> DrawnFrom:
        """The window, with what is known of its summary."""
        events, voids = self.known.get(key.summary_id, (0, 0))
        return DrawnFrom(need=key, events=events, voids=voids)


def read_books(session: Session, wallets: Sequence[Wallet], *, now: datetime, past: bool) -> dict[str, Allocation]:
    """These wallets by id with their grants and what is posted; nothing is allocated yet.

    The grants of schedules that have come by ``now`` are there, whether they are stored or not. Without ``past`` those
    are left out that are closed or void and of which nothing is posted: they neither pay nor get anything back, and
    ``read_past_cuts`` says where they divide usage. A wallet that is to be written needs all, for the invoices.
    """
    books = {wallet.id: Allocation(wallet, [], [], {}) for wallet in wallets}
    if books:
        due = grants_due(session, wallets, now=now)
        draws = draws_of(session, list(books))
        drawn = {draw.grant_id for draw in draws}
        stored = grants_of(session, list(books)) if past else open_grants_of(session, list(books), also=drawn)
        for grant in sorted((*stored, *due), key=lambda one: one.id):
            if grant.category == OVERDRAFT:
                books[grant.wallet_id].overdraft = grant
            else:
                books[grant.wallet_id].grants.append(grant)
        for draw in draws:
            need = NeedKey(draw.summary_id or 0, draw.window_start, draw.fee_id or 0)
            books[draw.wallet_id].posted[DrawKey(need, draw.grant_id)] = draw.posted
    return books


def read_past_cuts(session: Session, books: Mapping[str, Allocation], *, since: datetime) -> None:
    """Let these wallets know where grants that are left out divide usage after ``since``."""
    for id, cuts in past_cuts(session, books, since=since).items():
        books[id].past_cuts = cuts


def covered_by(found: Sequence[Allocation]) -> dict[int, Decimal]:
    """How many units of each summary are paid for, by id."""
    covered: dict[int, Decimal] = {}
    for book in found:
        covered |= covered_of(book.draws)
    return covered


def owed_by(found: Sequence[Allocation]) -> dict[int, Decimal]:
    """How many units of each summary are owed, by id: part of what ``covered_by`` says."""
    draws = ((book, key, units) for book in found for key, units in book.draws.items())
    return covered_of({key: units for book, key, units in draws if book.is_overdraft(key.grant_id)})


def overdraft_of(book: Allocation, *, now: datetime) -> Overdraft | None:
    """How much a wallet may owe; None: nothing."""
    line, most = book.overdraft, book.wallet.overdraft
    if line is None or most is None:
        return None
    return Overdraft(id=line.id, since=line.effective_at, most=most, now=now, until=book.wallet.closed_at)


def provisional_of(book: Allocation, grant: Grant) -> Decimal:
    """What a grant pays for that is not posted; below 0 where more is posted than usage wants by now."""
    return EXACT.subtract(book.drawn_from.get(grant.id, _NOTHING), grant.posted)


def cuts_of(book: Allocation) -> list[datetime]:
    """Where windows of a wallet begin."""
    edges = [(grant.effective_at, grant.ends_at, grant.covers_since) for grant in book.grants if grant.counts]
    if book.overdraft is not None:
        edges.append((book.overdraft.effective_at, book.wallet.closed_at, None))
    return sorted({*book.past_cuts, *(cut for edge in edges for cut in edge if cut is not None)})


def overdue(grants: Iterable[Grant], now: datetime) -> dict[datetime, frozenset[UUID]]:
    """The grants that are still to be closed by the time that they should have been, the earliest first."""
    found: dict[datetime, set[UUID]] = {}
    for grant in grants:
        if grant.status == GrantStatus.ACTIVE and grant.closes_at is not None and grant.closes_at <= now:
            found.setdefault(grant.closes_at, set()).add(grant.id)
    return {closes_at: frozenset(found[closes_at]) for closes_at in sorted(found)}
