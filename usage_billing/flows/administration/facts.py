"""Facts about subscriptions for the outbox, each with the subscription as the API shows it."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.core.clock import instant_text
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.views import subscription_view
from usage_billing.wire.noun import show
from usage_billing.wire.subscription import SUBSCRIPTION

CREATED, CHANGED = "subscription.created", "subscription.changed"


def tell_subscription(session: Session, subscription: Subscription, topic: str, *, at: datetime, now: datetime) -> None:
    """Tell what became of a locked subscription, which counts its changes: one fact for each."""
    session.flush()
    body = show(SUBSCRIPTION, subscription_view(session, subscription, now=now))
    fact = {"subscription": body, "effectiveAt": instant_text(at)}
    tell(session, [(topic, f"{topic}:{subscription.id}:{subscription.version}", fact)])
