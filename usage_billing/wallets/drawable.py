"""Grants as the rule of the burn order sees them."""

from fractions import Fraction

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.burn_down import Drawable
from usage_billing.wallets.models import Grant, GrantStatus


def drawable(grant: Grant) -> Drawable:
    """A grant as the rule sees it."""
    return Drawable(
        id=grant.id,
        # What is carried over comes out of it anew while it is open.
        amount=EXACT.subtract(grant.amount, grant.expired + grant.taken_back + grant.refunded),
        priority=grant.priority,
        effective_at=grant.effective_at,
        expires_at=grant.expires_at,
        covers_since=grant.covers_since,
        reset_at=grant.reset_at,
        usage_types=None if grant.usage_types is None else frozenset(grant.usage_types),
        subscriptions=None if grant.subscription_ids is None else frozenset(grant.subscription_ids),
        # What a reset kept moves with late usage, and so does its cost: the burn order does not.
        unit_cost=Fraction(grant.cost) / Fraction(grant.amount) if grant.cost and not grant.is_kept else Fraction(0),
        is_open=grant.status == GrantStatus.ACTIVE,
        made_at=grant.activated_at,
    )
