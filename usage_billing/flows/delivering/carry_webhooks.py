"""Carries events to the URLs of webhooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.flows.delivering.make_attempt import make_attempt
from usage_billing.flows.delivering.parcels import Parcel
from usage_billing.webhooks.addresses import Network
from usage_billing.webhooks.claims import ClaimedDelivery
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.judging import Resolve, resolve
from usage_billing.webhooks.sending import WHOLE_SECONDS, Exchange
from usage_billing.webhooks.service import holding_secrets, opened
from usage_billing.webhooks.states import EndpointKind


@dataclass(frozen=True, slots=True)
class WebhookCarrier:
    """A ``Carrier``. ``secret`` is the service's own, under which those of endpoints are sealed.

    ``allowed`` are the networks that an operator opened.
    """

    secret: str
    allowed: Sequence[Network] = ()
    resolve: Resolve = resolve
    now: Callable[[], datetime] = utc_now
    kind: EndpointKind = EndpointKind.WEBHOOK
    longest: timedelta = timedelta(seconds=WHOLE_SECONDS)
    may_repeat: bool = True

    def packed(self, session: Session, claimed: Sequence[ClaimedDelivery], *, now: datetime) -> list[Parcel]:
        """A parcel for each delivery, with the secrets that hold now."""
        holding = holding_secrets(session, {one.endpoint_id for one in claimed}, now=now)
        secrets = {id: opened(rows, under=self.secret) for id, rows in holding.items()}
        return [self._parcel(one, secrets[one.endpoint_id]) for one in claimed]

    def unpacked(self, session: Session, parcels: Sequence[Parcel]) -> None:
        """Nothing was done for them."""

    def _parcel(self, delivery: ClaimedDelivery, secrets: Sequence[str]) -> Parcel:
        exchange = Exchange()
        return Parcel((delivery,), partial(self._carry, exchange, delivery, secrets), exchange.cut)

    def _carry(self, exchange: Exchange, delivery: ClaimedDelivery, secrets: Sequence[str]) -> Sequence[Attempt]:
        made = make_attempt(exchange, delivery, secrets, now=self.now, allowed=self.allowed, resolve=self.resolve)
        return (made,)
