"""Grants: an amount put into a wallet, once for each key."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import MAX_QUANTITY, plain
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.core.money import round_to_minor_unit
from usage_billing.flows.prepaid.amounts import check_places
from usage_billing.flows.prepaid.facts import tell_grant
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.flows.prepaid.open_wallet import check_open, open_wallet
from usage_billing.flows.prepaid.watch_wallets import note_filled
from usage_billing.meters.queries import ADDS_UP
from usage_billing.prepaid.burn_down import MAX_PRIORITY, USUAL_PRIORITY
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.rating.currency import is_currency, minor_unit
from usage_billing.subscriptions.queries import CURRENCIES
from usage_billing.wallets.models import Grant, GrantCategory, GrantStatus, Wallet
from usage_billing.wallets.queries import scopes_of
from usage_billing.wallets.service import add_grant, move
from usage_billing.wire.event_type import EventType

_NOTHING = Decimal(0)
# A posted window must stay in one piece: from where it begins to the next cut of its wallet. In units, what a meter
# comes to whose values do not add up is never divided.
_CUTS_POSTED = text(f"""
    SELECT u.usage_type_id, d.window_start
    FROM wallet_draws AS d
    JOIN wallets AS w ON w.id = d.wallet_id
    JOIN usage_summaries AS u ON u.id = d.summary_id
    JOIN usage_types AS t ON t.id = u.usage_type_id
    WHERE d.wallet_id = :wallet AND d.window_start < :cut AND u.period_end > :cut
        AND (w.currency IS NOT NULL OR {ADDS_UP})
        AND NOT EXISTS (
            SELECT
            FROM wallet_grants AS g
            CROSS JOIN unnest(ARRAY[g.effective_at, least(g.expires_at, g.reset_at), g.covers_since]) AS c (cut)
            WHERE g.wallet_id = d.wallet_id AND g.id <> ALL(CAST(:grants AS uuid[])) AND g.activated_at IS NOT NULL
                AND c.cut > d.window_start AND c.cut <= :cut
        )
    ORDER BY d.window_start, u.usage_type_id
    LIMIT 1
""")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A grant to be made: ``amount`` units, from ``effective_at`` (None: now) to before ``expires_at`` (None: ever).

    In a wallet of meters these are full hours, and now is where the hour begins that runs.

    ``cost`` is in ``cost_currency``, or else in the one currency of the customer's plans. The ``category`` is
    ``purchased`` with a cost, and ``promotional`` without one, unless it is ``adjustment``. One that is
    ``pending_until_paid`` pays for nothing until it is activated, and begins then if no other start is given.
    """

    amount: Decimal
    idempotency_key: str
    category: str | None = None
    cost: Decimal | None = None
    cost_currency: str | None = None
    priority: int = USUAL_PRIORITY
    usage_types: Sequence[str] | None = None
    subscription_ids: Sequence[str] | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    covers_since: datetime | None = None
    pending_until_paid: bool = False


def make_grant(
    session: Session, wallet_id: str, new: NewGrant, *, actor: str, now: datetime, grace: timedelta
) -> tuple[Grant, bool]:
    """Store ``new``; returns the grant, and False when its key has made it before.

    Raises NotFound; InvalidInput; Conflict with the code ``conflicting_grant`` when the key has made another one, and
    with ``cuts_posted`` where it would divide usage of which what was paid for is final.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    there = session.scalars(select(Grant).where(Grant.wallet_id == wallet_id, Grant.key == new.idempotency_key)).first()
    # One that is asked for again is looked at as of when it was made: it may have expired since.
    made = row_of(session, wallet, new, now=now if there is None else there.effective_at, grace=grace)
    if there is not None:
        if not _is_same(there, new, made):
            raise Conflict("the key has made another grant of this wallet", code="conflicting_grant")
        return there, False
    check_open(wallet)
    added = add_grant(session, made)
    if added.counts:
        check_cuts(session, added)
        kind = TransferKind.SOLD if added.category == GrantCategory.PURCHASED else TransferKind.GIVEN
        move(session, added, kind, added.amount)
    note(
        session,
        actor=actor,
        action="wallet.granted",
        subject=f"wallet:{wallet_id}",
        at=now,
        grant=str(added.id),
        amount=plain(added.amount),
        category=added.category,
        pending=new.pending_until_paid,
    )
    session.flush()
    if added.counts:
        tell_grant(session, wallet, added, EventType.GRANT_ACTIVATED, now=now)
        note_filled(session, wallet, now=now)
    return added, True


def row_of(session: Session, wallet: Wallet, new: NewGrant, *, now: datetime, grace: timedelta) -> dict[str, object]:
    """The row of a grant; raises InvalidInput."""
    if not 0 < new.amount <= MAX_QUANTITY:
        raise InvalidInput.field("/amount", f"must be more than 0 and at most {MAX_QUANTITY:f}", code="out_of_range")
    check_places(wallet, new.amount)
    if not 0 <= new.priority <= MAX_PRIORITY:
        raise InvalidInput.field("/priority", f"must be from 0 to {MAX_PRIORITY}", code="out_of_range")
    hours = hours_of(session, wallet)
    effective = new.effective_at or hours.start_of(now)
    for pointer, at in (
        ("/effectiveAt", new.effective_at),
        ("/expiresAt", new.expires_at),
        ("/coversSince", new.covers_since),
    ):
        hours.check(pointer, at)
    if new.expires_at is not None and new.expires_at <= effective:
        raise InvalidInput.field("/expiresAt", "must be after the grant takes effect", code="out_of_range")
    if new.covers_since is not None and new.covers_since > effective:
        raise InvalidInput.field("/coversSince", "must not be after the grant takes effect", code="out_of_range")
    _check_scope(session, wallet, new)
    cost, currency, category = _cost_of(session, wallet, new)
    if new.pending_until_paid and not cost:
        raise InvalidInput.field("/pendingUntilPaid", "needs a cost, which is to be paid", code="contradiction")
    return {
        "id": new_id(),
        "wallet_id": wallet.id,
        "key": new.idempotency_key,
        "category": category,
        "priority": new.priority,
        "usage_types": None if new.usage_types is None else sorted(new.usage_types),
        "subscription_ids": None if new.subscription_ids is None else sorted(new.subscription_ids),
        "amount": new.amount,
        "effective_at": effective,
        "expires_at": new.expires_at,
        "covers_since": new.covers_since,
        # One that is made after its own expiry pays for what occurred while it held, until then.
        "closes_at": None if new.expires_at is None else max(new.expires_at, now) + grace,
        "cost": cost,
        "cost_currency": currency,
        "status": GrantStatus.PENDING if new.pending_until_paid else GrantStatus.ACTIVE,
        "pending_until_paid": new.pending_until_paid,
        "starts_when_paid": new.pending_until_paid and new.effective_at is None,
        "activated_at": None if new.pending_until_paid else now,
    }


def _check_scope(session: Session, wallet: Wallet, new: NewGrant) -> None:
    known = {scope.usage_type_id for scope in scopes_of(session, [wallet.id])}
    for index, name in enumerate(new.usage_types or ()):
        if wallet.currency is not None and session.get(UsageType, name) is None:
            message = f"there is no usage type {name}"
            raise InvalidInput.field(f"/usageTypes/{index}", message, code="unknown_usage_type")
        if wallet.currency is None and name not in known:
            raise InvalidInput.field(f"/usageTypes/{index}", "is none of the wallet's", code="unknown_usage_type")
    owned = set(
        session.scalars(text("SELECT id FROM subscriptions WHERE customer_id = :id"), {"id": wallet.customer_id})
    )
    if wallet.subscription_id is not None:
        owned &= {wallet.subscription_id}
    for index, name in enumerate(new.subscription_ids or ()):
        if name not in owned:
            message = "is no subscription that the wallet pays for"
            raise InvalidInput.field(f"/subscriptionIds/{index}", message, code="unknown_subscription")
    for pointer, names in (("/usageTypes", new.usage_types), ("/subscriptionIds", new.subscription_ids)):
        if names is not None and not names:
            raise InvalidInput.field(pointer, "must name at least one, or be left out", code="out_of_range")
        for index, name in enumerate(names or ()):
            if names is not None and name in names[:index]:
                raise InvalidInput.field(f"{pointer}/{index}", "is named twice", code="repeated")


def _cost_of(session: Session, wallet: Wallet, new: NewGrant) -> tuple[Decimal, str | None, str]:
    """What a grant cost, in which currency, and its category."""
    cost = new.cost or _NOTHING
    usual = GrantCategory.PURCHASED if cost else GrantCategory.PROMOTIONAL
    category = new.category or usual
    if category not in (usual, GrantCategory.ADJUSTMENT) or (cost and category == GrantCategory.ADJUSTMENT):
        message = "is purchased with a cost, and promotional or adjustment without one"
        raise InvalidInput.field("/category", message, code="contradiction")
    if not cost:
        if new.cost_currency is not None:
            raise InvalidInput.field("/costCurrency", "needs a cost", code="contradiction")
        return _NOTHING, None, category
    currency = new.cost_currency or wallet.currency
    if currency is None:
        found = list(session.scalars(CURRENCIES, {"customer": wallet.customer_id}))
        if len(found) != 1:
            message = "is required where the customer's plans have not just one currency"
            raise InvalidInput.field("/costCurrency", message, code="required")
        currency = str(found[0])
    if not is_currency(currency):
        message = "must be an ISO 4217 currency code such as USD"
        raise InvalidInput.field("/costCurrency", message, code="unknown_currency")
    if round_to_minor_unit(cost, minor_unit(currency)) != cost:
        message = f"must have at most {minor_unit(currency)} decimal places in {currency}"
        raise InvalidInput.field("/cost", message, code="not_a_decimal")
    return cost, currency, category


def _is_same(there: Grant, new: NewGrant, made: dict[str, object]) -> bool:
    """Whether a key asks for the grant that it made; without ``effective_at`` it was the moment of the first."""
    known = {"id", "closes_at", "status", "activated_at"}
    if new.effective_at is None:
        known.add("effective_at")
    return all(getattr(there, name) == value for name, value in made.items() if name not in known)


def check_cuts(session: Session, *grants: Grant) -> None:
    """Raises Conflict ``cuts_posted`` where new grants of one wallet divide usage that is paid for and final."""
    ids = [grant.id for grant in grants]
    for grant in grants:
        for cut in (grant.covers_since, grant.effective_at, grant.expires_at):
            if cut is not None:
                check_cut(session, grant.wallet_id, cut, but=ids)


def check_cut(session: Session, wallet_id: str, cut: datetime, *, but: Collection[UUID] = ()) -> None:
    """Raises Conflict ``cuts_posted`` where an instant divides usage of which what was paid for is final.

    It does not where windows of the wallet begin there already, by other grants than ``but``.
    """
    row = session.execute(_CUTS_POSTED, {"wallet": wallet_id, "grants": list(but), "cut": cut}).first()
    if row is not None:
        raise Conflict(
            f"what was paid for of {row.usage_type_id} around {cut:%Y-%m-%dT%H:%MZ} is final and is not divided",
            code="cuts_posted",
        )
