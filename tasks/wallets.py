"""Tasks of wallets: what is over is closed, what recurs is stored, what is low is found. No reader waits for them."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db import clock
from usage_billing.db.apart import FAULTS
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.folding.drive_reads import catch_up, left_to_count
from usage_billing.flows.folding.reckon_meters import reckon_meters_of_wallet
from usage_billing.flows.prepaid.close_grants import close_grants, wallets_to_close
from usage_billing.flows.prepaid.make_wallets import customers_without, make_wallets
from usage_billing.flows.prepaid.manage_top_ups import look_again, rules_to_look_at
from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.flows.prepaid.store_unused import store_unused, wallets_to_look_at
from usage_billing.schedules.queries import wallets_due
from usage_billing.wallets.queries import owner_of_wallet

_log = logging.getLogger(__name__)


@app.task(name="wallets.close_grants")
def close() -> None:
    """Post what grants that are over paid for, and let the rest of them expire; each wallet in a transaction.

    One waits of which meters have not counted all that is in the books.
    """
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = wallets_to_close(session, now=now)
    _each(
        waiting,
        lambda session, wallet_id: close_grants(session, wallet_id, now=now),
        only_if=partial(_is_counted, now=now),
    )


@app.task(name="wallets.expire_top_ups")
def expire_top_ups() -> None:
    """Expire top-ups that were not answered, and let wallets ask that are low by the clock or may ask again by now."""
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = rules_to_look_at(session, now=now)
    _each(waiting, lambda session, wallet_id: look_again(session, wallet_id, now=now))


@app.task(name="wallets.open_occurrences")
def open_due() -> None:
    """Store the grants of schedules that have come, and what allowances left; each wallet in a transaction.

    Before that, customers get the wallets into which their quotas carry something over.
    """
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        lacking = customers_without(session, now=now)
        waiting = wallets_due(session, now=now)
        ended = wallets_to_look_at(session, now=now)
    _each(lacking, lambda session, customer_id: make_wallets(session, customer_id, now=now))
    _each(waiting, lambda session, wallet_id: open_wallet(session, wallet_id, now=now))
    _each(ended, lambda session, wallet_id: store_unused(session, wallet_id, now=now))


def _is_counted(wallet_id: str, *, now: datetime) -> bool:
    """Whether meters have counted all of a wallet's customer; what is left is counted now, unless it is too much.

    Those whose values do not add up are reckoned as of ``now``.
    """
    with read_only(base.engine()) as session:
        behind = left_to_count(session, customer_of=partial(owner_of_wallet, wallet_id=wallet_id))
    if behind and catch_up(base.engine(), behind):
        return False
    with transaction(base.engine()) as session:
        reckon_meters_of_wallet(session, wallet_id, now=now)
    return True


def _each(
    ids: Sequence[str], work: Callable[[Session, str], object], *, only_if: Callable[[str], bool] | None = None
) -> None:
    """Do ``work`` on each wallet, or customer, in a transaction; one that fails by its own fault makes no other wait.

    With ``only_if`` it leaves out those of which that is not true. Raises the first fault once all are done, so that
    the task is seen to have failed.
    """
    fault: Exception | None = None
    for id in ids:
        try:
            if only_if is not None and not only_if(id):
                continue
            with transaction(base.engine()) as session:
                work(session, id)
        except Unavailable:
            raise
        except FAULTS as error:
            _log.exception("a wallet could not be looked after", extra={"wallet": id})
            fault = fault or error
    if fault is not None:
        raise fault
