"""Facts about wallets and their grants for the outbox, each with the thing as the API shows it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at_customer, watch_wallets_of
from usage_billing.drawing.books import allocation_of
from usage_billing.outbox.service import Fact, tell
from usage_billing.top_ups.models import TopUp
from usage_billing.wallets.models import Grant, Transfer, Wallet
from usage_billing.wallets.views import RefundView, grant_view
from usage_billing.wire.event import DEPLETED_TOLD, GRANT_TOLD, REFUND_TOLD, TOP_UP_TOLD, WALLET_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show


def tell_wallet(session: Session, wallet: Wallet, usage_types: Sequence[str]) -> None:
    """Tell that a wallet was made; an alert that is for it watches it from now on."""
    watch_wallets_of(session, [wallet.customer_id])
    topic = EventType.WALLET_CREATED
    names = None if wallet.unit_name is None else list(usage_types)
    unit = {"unit_name": wallet.unit_name, "usage_types": names, "currency": wallet.currency}
    told = show(WALLET_TOLD, {"wallet": {"wallet": wallet, "unit": unit}})
    tell(session, [Fact(topic, f"{topic}:{wallet.id}", told, wallet.customer_id)])


def tell_grant(
    session: Session, wallet: Wallet, grant: Grant, topic: EventType, *, now: datetime, part: str = ""
) -> None:
    """Tell what became of a grant of a locked wallet, once for each ``part`` of it."""
    tell_grants(session, wallet, [grant], topic, now=now, part=part)


def tell_grants(
    session: Session, wallet: Wallet, grants: Sequence[Grant], topic: EventType, *, now: datetime, part: str = ""
) -> None:
    """Tell what became of each of these grants of a locked wallet, once for each ``part`` of it.

    What is paid for beforehand is a part of what alerts compare usage with.
    """
    look_at_customer(session, wallet.customer_id)
    book = allocation_of(session, wallet, now=now)
    facts = []
    for grant in grants:
        told = show(GRANT_TOLD, {**_whose(wallet), "grant": grant_view(book, grant, now=now)})
        key = f"{topic}:{grant.id}:{part}" if part else f"{topic}:{grant.id}"
        facts.append(Fact(topic, key, told, wallet.customer_id))
    tell(session, facts)


def tell_refunded(session: Session, wallet: Wallet, refund: Transfer, grant: Grant) -> None:
    """Tell that money goes back to the customer; once for each refund. Alerts look at what is left."""
    look_at_customer(session, wallet.customer_id)
    topic = EventType.GRANT_REFUNDED
    view = RefundView(transfer=refund, currency=grant.cost_currency)
    told = show(REFUND_TOLD, {**_whose(wallet), "refund": view})
    tell(session, [Fact(topic, f"{topic}:{refund.id}", told, wallet.customer_id)])


def tell_top_up(session: Session, wallet: Wallet, top_up: TopUp, topic: EventType) -> None:
    """Tell that a wallet asks for more, or what became of that; once each."""
    view = {"top_up": top_up, "currency": wallet.currency}
    told = show(TOP_UP_TOLD, {**_whose(wallet), "top_up": view})
    tell(session, [Fact(topic, f"{topic}:{top_up.id}", told, wallet.customer_id)])


def tell_depleted(session: Session, wallet: Wallet, *, times: int) -> None:
    """Tell that nothing is available in a watched wallet any more, for the ``times``-th time."""
    topic = EventType.WALLET_DEPLETED
    tell(
        session, [Fact(topic, f"{topic}:{wallet.id}:{times}", show(DEPLETED_TOLD, _whose(wallet)), wallet.customer_id)]
    )


def _whose(wallet: Wallet) -> dict[str, object]:
    return {"customer_id": wallet.customer_id, "wallet_id": wallet.id}
