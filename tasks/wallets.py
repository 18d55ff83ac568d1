"""Tasks of wallets: what is over is closed. Nothing that a reader is told waits for them."""

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db import clock
from usage_billing.db.session import transaction
from usage_billing.flows.prepaid.close_grants import close_grants, wallets_to_close


@app.task(name="wallets.close_grants")
def close() -> None:
    """Post what grants that are over paid for, and let the rest of them expire; each wallet in a transaction."""
    with transaction(base.engine()) as session:
        now = clock.agreed_now(session, utc_now())
        waiting = wallets_to_close(session, now=now)
    for wallet_id in waiting:
        with transaction(base.engine()) as session:
            close_grants(session, wallet_id, now=now)
