"""What wallets pay in books in memory, by the ends that are agreed there: at each, what is owed of usage is due."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.drawing.coverage import allocations, coverage_changes
from usage_billing.drawing.levels import Made
from usage_billing.flows.billing.books import Agreements
from usage_billing.wallets.allocation import CoveredUsage, covered_by
from usage_billing.wallets.models import Wallet


@dataclass(slots=True)
class ForeseenEnds:
    """The wallets of some subscriptions' customers, as they pay at ``now``.

    ``of`` is when each subscription ends by the terms in memory (None: it does not), and ``customer_of`` whose it is.
    ``stale`` are the summaries of which wallets pay more or less than billing has rated, by now or once the last of
    these ends has come.
    """

    of: Mapping[str, datetime | None]
    now: datetime
    customer_of: Mapping[str, str]
    wallets: Sequence[Wallet] = ()
    stale: Sequence[CoveredUsage] = ()

    def pass_to(self, as_of: datetime) -> Collection[int]:
        """Let the ends come that come by then; returns the summaries of which wallets may pay less for that."""
        if not any(end is not None and self.now < end <= as_of for end in self.of.values()) or not _owes(self.wallets):
            return ()
        self.now = as_of
        return {usage.id for usage in self.stale}

    def covered(
        self, session: Session, *, beyond: Mapping[int, Decimal], moved: Mapping[UUID, Decimal], made: Made
    ) -> dict[int, Decimal]:
        """How many units of each summary are paid for, where ``beyond`` and ``moved`` are what lies beyond.

        ``made`` has the summaries in memory that are not stored.
        """
        if not self.wallets:
            return {}
        names, wallets = {wallet.customer_id for wallet in self.wallets}, self.wallets
        found = allocations(
            session, names, now=self.now, beyond=beyond, wallets=wallets, moved=moved, ends=self.of, made=made
        )
        return {id: min(units, beyond.get(id, units)) for id, units in covered_by(found).items()}


def read_ends(session: Session, agreements: Agreements, *, now: datetime) -> ForeseenEnds:
    """The ends that are agreed, and what wallets pay by them."""
    customers = {one.customer_id for one in agreements.subscriptions.values()}
    ends = {name: line.terms[-1].ends_at for name, line in agreements.timelines.items()}
    found = coverage_changes(session, customers, now=now, ends=ends)
    stale = {usage.id: usage for usage in found.changed}
    last = max((end for end in ends.values() if end is not None), default=now)
    if last > now and _owes(found.wallets):
        stale |= {usage.id: usage for usage in coverage_changes(session, customers, now=last, ends=ends).changed}
    here = [usage for usage in stale.values() if usage.subscription_id in agreements.subscriptions]
    customer_of = {one.id: one.customer_id for one in agreements.subscriptions.values()}
    return ForeseenEnds(ends, now, customer_of, found.wallets, here)


def _owes(wallets: Sequence[Wallet]) -> bool:
    return any(wallet.overdraft is not None for wallet in wallets)
