"""Tasks of wallets: what is over is closed, what recurs is stored, what is low is found. No reader waits for them."""

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db import clock
from usage_billing.db.session import transaction
from usage_billing.flows.prepaid.close_grants import close_grants, wallets_to_close
from usage_billing.flows.prepaid.manage_top_ups import look_again, rules_to_look_at
from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.schedules.queries import wallets_due


@app.task(name="wallets.close_grants")
def close() -> None:
    """Post what grants that are over paid for, and let the rest of them expire; each wallet in a transaction."""
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = wallets_to_close(session, now=now)
    for wallet_id in waiting:
        with transaction(base.engine()) as session:
            close_grants(session, wallet_id, now=now)


@app.task(name="wallets.expire_top_ups")
def expire_top_ups() -> None:
    """Expire top-ups that were not answered, and let wallets ask that are low by the clock or may ask again by now."""
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = rules_to_look_at(session, now=now)
    for wallet_id in waiting:
        with transaction(base.engine()) as session:
            look_again(session, wallet_id, now=now)


@app.task(name="wallets.open_occurrences")
def open_due() -> None:
    """Store the grants of schedules that have come; each wallet in a transaction."""
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = wallets_due(session, now=now)
    for wallet_id in waiting:
        with transaction(base.engine()) as session:
            open_wallet(session, wallet_id, now=now)
