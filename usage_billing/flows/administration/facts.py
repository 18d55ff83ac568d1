"""Facts about subscriptions for the outbox, each with the subscription as the API shows it."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.outbox.service import Fact, tell
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.views import subscription_view
from usage_billing.wire.event import SUBSCRIPTION_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show


def tell_subscription(
    session: Session, subscription: Subscription, topic: EventType, *, at: datetime, now: datetime
) -> None:
    """Tell what became of a locked subscription, which counts its changes: one fact for each."""
    session.flush()
    told = {"subscription": subscription_view(session, subscription, now=now), "effective_at": at}
    key = f"{topic}:{subscription.id}:{subscription.version}"
    tell(session, [Fact(topic, key, show(SUBSCRIPTION_TOLD, told), subscription.customer_id)])
