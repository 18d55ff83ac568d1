"""Grants as they are shown and told: with what they pay for at a moment."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.wallets.allocation import Allocation, provisional_of
from usage_billing.wallets.carrying import cost_by_now
from usage_billing.wallets.models import Grant, GrantStatus, Transfer

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """A grant with what it pays for at this moment: ``provisional`` until that is posted. ``left`` is the rest.

    ``amount``, ``rolled_over`` and what was ``paid`` for it follow late usage while what is carried over does.
    """

    grant: Grant
    currency: str | None
    amount: Decimal
    rolled_over: Decimal
    paid: Decimal
    status: str
    provisional: Decimal
    expired: Decimal
    left: Decimal

    @property
    def is_nothing(self) -> bool:
        """Whether a reset kept nothing, or nothing yet: then there is no grant, and it is not shown."""
        return self.grant.is_kept and not self.amount

    @property
    def cost(self) -> tuple[Decimal, str] | None:
        """What it cost, and its currency; None for one that was given."""
        return (self.paid, self.grant.cost_currency) if self.grant.cost_currency else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundView:
    """A refund, and the currency of the money that goes back."""

    transfer: Transfer
    currency: str | None


def available_of(book: Allocation, *, now: datetime) -> Decimal:
    """What is left of the grants of a wallet that hold now, less what it owes.

    What they leave to a grant that begins when they end is left of them until then.
    """
    there = [grant for grant in book.grants if grant.counts and holds(grant, now)]
    ids = {grant.id for grant in there}
    left = [grant_view(book, grant, now=now).left for grant in there]
    left += [part for (source_id, id), part in book.parts.items() if source_id in ids and id not in ids]
    return EXACT.subtract(sum_of(left), book.owed)


def holds(grant: Grant, now: datetime) -> bool:
    """Whether a grant has begun and is not over."""
    return grant.effective_at <= now and (grant.ends_at is None or now < grant.ends_at)


def grant_view(book: Allocation, grant: Grant, *, now: datetime) -> GrantView:
    """One grant of a wallet. Once its time to close has come its rest has expired, whether or not that is posted."""
    provisional = provisional_of(book, grant)
    amount, rolled_over = book.amount_of(grant), book.carried_from(grant)
    out = EXACT.add(EXACT.subtract(grant.out, grant.rolled_over), rolled_over)
    left = EXACT.subtract(EXACT.subtract(amount, out), provisional)
    expired, status = grant.expired, grant.status
    if grant.status == GrantStatus.ACTIVE and grant.closes_at is not None and grant.closes_at <= now:
        left, expired, status = _NOTHING, EXACT.add(expired, left), GrantStatus.CLOSED
    return GrantView(
        grant=grant,
        currency=book.wallet.currency,
        amount=amount,
        rolled_over=rolled_over,
        paid=cost_by_now(book, grant),
        status=status,
        provisional=provisional,
        expired=expired,
        left=left,
    )
