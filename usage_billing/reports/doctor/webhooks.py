"""Checks of what others are told: facts that no worker relays, and endpoints that do not take what they are sent."""

from collections.abc import Iterator

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.reports.doctor.finding import WARN, Finding, listed
from usage_billing.settings import Settings
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.queries import failing_endpoints
from usage_billing.webhooks.states import EndpointKind, EndpointStatus

_UNRELAYED = text("""
    SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) AS seconds
    FROM outbox_messages
    WHERE relayed_at IS NULL
""")
_LATE_SECONDS = 120


def check_mail(session: Session, settings: Settings) -> Iterator[Finding]:
    """Whether what is to be sent by mail can be; nothing is said where no endpoint is told by mail."""
    kind = (WebhookEndpoint.kind == EndpointKind.EMAIL, WebhookEndpoint.status == EndpointStatus.ACTIVE)
    ids = session.scalars(select(WebhookEndpoint.id).where(*kind).order_by(WebhookEndpoint.id)).all()
    if ids and settings.mail_server is None:
        message = f"mail is not configured, and what these endpoints are told waits: {listed(list(ids))}"
        cure = "set USAGE_BILLING_SMTP_URL and USAGE_BILLING_MAIL_FROM for the workers"
        yield Finding("mail", WARN, "mail_not_configured", message, cure)


def check_webhooks(session: Session) -> Iterator[Finding]:
    """What is wrong with telling others; nothing is said where all is well."""
    seconds = int(session.execute(_UNRELAYED).scalar_one())
    if seconds > _LATE_SECONDS:
        message = f"what happened {seconds} s ago is not relayed: no worker takes the queue messages"
        yield Finding("events", WARN, "events_late", message, "start a worker with `-Q messages` among its queues")
    found = failing_endpoints(session)
    disabled = [f"{one.id} ({one.disabled_reason})" for one in found if one.status == EndpointStatus.DISABLED]
    if disabled:
        message = f"endpoints are disabled, and what happens is held for them: {listed(disabled)}"
        cure = "put the receiver right, then usage-billing endpoints enable ID --resume all"
        yield Finding("webhooks", WARN, "endpoint_disabled", message, cure)
    failing = [
        f"{one.id} (since {one.failing_since:%Y-%m-%dT%H:%MZ})" for one in found if one.status == EndpointStatus.ACTIVE
    ]
    if failing:
        cure = "look at usage-billing endpoints deliveries ID; what failed is tried again by itself"
        yield Finding("webhooks", WARN, "endpoint_failing", f"every try fails: {listed(failing)}", cure)
