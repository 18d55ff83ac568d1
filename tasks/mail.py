"""Sends events to addresses by mail. Without a server of mail nothing is sent, and what waits goes on waiting."""

from datetime import timedelta
from functools import lru_cache

from tasks import base
from tasks.celery import app
from usage_billing.flows.delivering.carry_mail import MailCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.make_mail import MailSettings

# Shorter than the 5 s after which beat sends the next, as that of webhooks.
_TURN = timedelta(seconds=4)


@lru_cache(maxsize=1)
def courier() -> Courier | None:
    """What this process sends mail with, kept from turn to turn; None where no server is configured."""
    settings = base.settings()
    server = settings.mail_server
    if server is None:
        return None
    mail = MailSettings(
        server=server,
        secret=settings.require_secret(),
        brand=base.layout().brand,
        address=settings.public_address,
    )
    return Courier(base.engine(), MailCarrier(mail))


@app.task(name="mail.deliver")
def deliver() -> None:
    """Send what is due until nothing is left or the turn is over."""
    sending = courier()
    if sending is not None:
        sending.turn(_TURN, stopping=base.stopping)
