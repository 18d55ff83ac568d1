"""Which grants pay for the usage of some customers as the books are: computed when asked, and not stored.

Needs are read without locks. Those of a summary that cuts of its wallet divide come from its recordings' marks, and of
a meter that adds up from its buckets. Of every other meter a segment has one need, where it begins; levels are as of
now. These are the wallets in units: those in money need what is charged beyond them (``money``).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.drawing.levels import Made, keep_posted, let_time_go_on, places_of_usage
from usage_billing.meters.queries import ADDS_UP
from usage_billing.prepaid.burn_down import Need, NeedKey, windows_of
from usage_billing.prepaid.closings import Closing, allocate_after
from usage_billing.wallets.allocation import (
    Allocation,
    CoveredUsage,
    covered_by,
    cuts_of,
    overdraft_of,
    overdue,
    read_books,
    read_past_cuts,
)
from usage_billing.wallets.carrying import rollovers_of
from usage_billing.wallets.drawable import drawable
from usage_billing.wallets.metered import wanted_of_meters
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import covered_before, wallets_of
from usage_billing.wallets.unused import unused_amounts
from usage_billing.wallets.windows import divided, marked, stretches_of

_NOTHING = Decimal(0)
_SUMMARIES = text(f"""
    SELECT s.id, c.customer_id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end, s.total,
        s.beyond_limit, s.events, s.voids, s.frozen, q.price, c.ended_at AS ends_at, t.of IS NOT NULL AS is_metered,
        {ADDS_UP} AS adds_up
    FROM subscriptions AS c JOIN usage_summaries AS s ON s.subscription_id = c.id
    JOIN usage_types AS t ON t.id = s.usage_type_id
    LEFT JOIN usage_quotas AS q ON q.id = s.quota_id
    WHERE c.customer_id = ANY(CAST(:customers AS text[])) AND s.usage_type_id = ANY(CAST(:types AS text[]))
        AND (s.period_end > :since OR s.id = ANY(CAST(:posted AS bigint[])))
""")  # noqa: S608
_SCOPES = text(f"""
    SELECT w.wallet_id, w.usage_type_id, NOT {ADDS_UP} AS moves, EXISTS (
            SELECT FROM meter_definitions AS d WHERE d.usage_type_id = w.usage_type_id AND d.mode IS NOT NULL
        ) AS is_level
    FROM wallet_scopes AS w
    JOIN usage_types AS t ON t.id = w.usage_type_id
    WHERE w.wallet_id = ANY(CAST(:wallets AS text[]))
    ORDER BY w.wallet_id, w.usage_type_id
""")  # noqa: S608


def allocations(
    session: Session,
    customer_ids: Collection[str],
    *,
    now: datetime,
    beyond: Mapping[int, Decimal] | None = None,
    wallets: Sequence[Wallet] | None = None,
    past: bool = True,
    moved: Mapping[UUID, Decimal] | None = None,
    ends: Mapping[str, datetime | None] | None = None,
    made: Made | None = None,
) -> list[Allocation]:
    """The wallets in units of these customers, by id, each with its draws; nothing is read where there are none.

    A grant whose time to close has come by ``now`` pays for what had arrived until then, whether it is closed or not.
    ``beyond`` is what lies beyond the allowance of summaries that the caller sees otherwise than they are stored.
    ``moved`` has what would lie beyond of recordings, by id. Without ``past`` closed grants are left out, as
    ``read_books`` says. ``ends`` is when subscriptions end, by id, where that is not as it is stored (None: never).
    ``made`` has, by subscription, the usage of segments without a summary, where the caller sees that otherwise.
    """
    found = wallets_of(session, customer_ids) if wallets is None else wallets
    books = read_books(session, [wallet for wallet in found if wallet.currency is None], now=now, past=past)
    if not books:
        return []
    levels, moving = set[str](), set[str]()
    for scope in session.execute(_SCOPES, {"wallets": list(books)}):
        books[scope.wallet_id].usage_types.append(scope.usage_type_id)
        levels |= {scope.usage_type_id} if scope.is_level else set()
        moving |= {scope.usage_type_id} if scope.moves else set()
    _read_usage(session, books, beyond or {}, ends or {})
    if moving or made:
        let_time_go_on(session, books, moving, beyond=beyond or {}, ends=ends or {}, made=made or {}, now=now)
        keep_posted(books, levels, now=now)
    found_unused = unused_amounts(
        session,
        {book.wallet.customer_id for book in books.values()},
        (grant for book in books.values() for grant in book.grants),
    )
    for book in books.values() if found_unused else ():
        book.unused = {grant.id: found_unused[grant.id] for grant in book.grants if grant.id in found_unused}
    begins = [usage.period_start for book in books.values() for usage in book.usage.values()]
    if begins and not past:
        read_past_cuts(session, books, since=min(begins))
    for book in books.values():
        _allocate(session, book, now=now, moved=moved)
    return list(books.values())


class CoverageChanges(NamedTuple):
    """The wallets of some customers, and the summaries of which more or less is paid for than billing has rated."""

    wallets: Sequence[Wallet] = ()
    changed: Sequence[CoveredUsage] = ()


def coverage_changes(
    session: Session,
    customer_ids: Collection[str],
    *,
    now: datetime,
    ends: Mapping[str, datetime | None] | None = None,
) -> CoverageChanges:
    """What billing has to rate again because other usage, a grant, a closing or an end moved what is paid for."""
    found = allocations(session, customer_ids, now=now, ends=ends)
    if not found:
        return CoverageChanges()
    covered = covered_by(found)
    usage = {id: one for book in found for id, one in book.usage.items()}
    rated = covered_before(session, list(usage))
    stored = [(id, one) for id, one in sorted(usage.items()) if id > 0]
    changed = [one for id, one in stored if covered.get(id, _NOTHING) != rated.get(id, _NOTHING)]
    return CoverageChanges([book.wallet for book in found], changed)


def _read_usage(
    session: Session,
    books: Mapping[str, Allocation],
    beyond: Mapping[int, Decimal],
    ends: Mapping[str, datetime | None],
) -> None:
    begins = [begin for book in books.values() for begin in book.begins]
    if not begins:
        return
    asked = {
        "customers": sorted({book.wallet.customer_id for book in books.values()}),
        "types": sorted({name for book in books.values() for name in book.usage_types}),
        "since": min(begins),
        "posted": sorted({key.need.summary_id for book in books.values() for key in book.posted}),
    }
    places = places_of_usage(books)
    for usage in read_rows(session.execute(_SUMMARIES, asked), CoveredUsage):
        usage.beyond_limit = beyond.get(usage.id, usage.beyond_limit)
        usage.ends_at = ends.get(usage.subscription_id, usage.ends_at)
        places.put(usage)


def _allocate(
    session: Session, book: Allocation, *, now: datetime, moved: Mapping[UUID, Decimal] | None = None
) -> None:
    cuts = cuts_of(book)
    windows = {
        id: windows_of(one.period_start, one.period_end, cuts if one.adds_up else ()) for id, one in book.usage.items()
    }
    cut = [one for id, one in book.usage.items() if len(windows[id]) > 1 and one.wants]
    metered = wanted_of_meters(session, [one for one in cut if one.is_metered], windows, cuts)
    found = stretches_of(session, [one.id for one in cut if not one.is_metered], cuts, moved=moved)
    wanted = metered | {
        id: [one.wants]
        if len(windows[id]) == 1
        else divided(one.wants, [part.beyond for part in marked(windows[id], found.get(id, {}))])
        for id, one in book.usage.items()
        if id not in metered
    }
    wanting = [id for id, one in book.usage.items() if one.wants and not one.is_metered]
    closings: list[Closing] = []
    for until, ids in overdue(book.grants, now).items():
        arrived = stretches_of(session, wanting, cuts, until=until, moved=moved)
        # A meter does not keep when its recordings arrived.
        then = {
            id: wanted[id] if book.usage[id].is_metered else [one.beyond for one in marked(starts, arrived.get(id, {}))]
            for id, starts in windows.items()
        }
        unused = unused_amounts(session, {book.wallet.customer_id}, book.grants, until=until) if book.unused else {}
        closings.append(Closing(ids, _needs(book, windows, then), unused, until))
    grants = [drawable(grant) for grant in book.grants]
    needs, owing = _needs(book, windows, wanted), overdraft_of(book, now=now)
    book.put(allocate_after(closings, needs, grants, book.posted, rollovers_of(book), owing))


def _needs(
    book: Allocation, windows: Mapping[int, Sequence[datetime]], wanted: Mapping[int, Sequence[Decimal]]
) -> list[Need]:
    return [
        Need(
            key=NeedKey(id, start),
            subscription_id=usage.subscription_id,
            usage_type_id=usage.usage_type_id,
            quantity=quantity,
            ends_at=usage.ends_at,
        )
        for id, usage in book.usage.items()
        for start, quantity in zip(windows[id], wanted[id], strict=True)
    ]
