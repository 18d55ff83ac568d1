"""Stores grants of schedules and allowances whose time has come. Readers count them before: no balance waits for it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core import crash
from usage_billing.flows.prepaid.facts import tell_grants
from usage_billing.prepaid.ledger import TransferKind
from usage_billing.schedules.queries import due_schedules
from usage_billing.schedules.service import note_stored
from usage_billing.wallets.models import Grant, Wallet
from usage_billing.wallets.occurrences import unstored_grants, unused_grants
from usage_billing.wallets.service import add_grant, lock_wallets, move
from usage_billing.wire.event_type import EventType


def hold_wallets(session: Session, customer_ids: Collection[str], *, now: datetime) -> Sequence[Wallet]:
    """Lock the wallets of these customers, by id, and store the grants of their schedules that have come by ``now``."""
    wallets = lock_wallets(session, customer_ids)
    open_occurrences(session, wallets, now=now)
    return wallets


def open_occurrences(session: Session, wallets: Sequence[Wallet], *, now: datetime) -> list[Grant]:
    """Store the grants of these locked wallets' schedules that have come by ``now``; returns those that are new.

    So is stored what allowances left, which one subscription and period leave once.
    Each occurrence makes one grant, whichever transaction comes first: the wallet is locked, and the pair of schedule
    and occurrence is unique.
    """
    by_id = {wallet.id: wallet for wallet in wallets}
    made: list[Grant] = []
    for schedule in due_schedules(session, list(by_id), now=now) if by_id else ():
        for row in unstored_grants(schedule, now=now):
            grant = add_grant(session, row)
            if grant.rolls_from is None:
                move(session, grant, TransferKind.GIVEN, grant.amount)
            made.append(grant)
        note_stored(session, schedule, last=made[-1].effective_at)
        crash.point("prepaid.opening")
    made += [add_grant(session, row) for row in list(unused_grants(session, wallets, now=now))]
    for id in sorted({grant.wallet_id for grant in made}):
        of_wallet = [grant for grant in made if grant.wallet_id == id]
        tell_grants(session, by_id[id], of_wallet, EventType.GRANT_ACTIVATED, now=now)
    return made
