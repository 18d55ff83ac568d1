"""What is carried in one exchange, and how each kind of endpoint is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from usage_billing.webhooks.claims import ClaimedDelivery
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.states import EndpointKind


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """Deliveries to one endpoint that one exchange is for: several where mails go out as one.

    ``carry`` makes the exchange, and says what became of each delivery; it raises nothing. ``cut`` ends it from another
    thread. ``place`` is what the carrier took for it.
    """

    deliveries: Sequence[ClaimedDelivery]
    carry: Callable[[], Sequence[Attempt]]
    cut: Callable[[], None]
    place: str = ""

    @property
    def endpoint_id(self) -> str:
        """The endpoint."""
        return self.deliveries[0].endpoint_id

    @property
    def leased_until(self) -> datetime:
        """Until when this worker has all of it."""
        return min(one.leased_until for one in self.deliveries)


class Carrier(Protocol):
    """How endpoints of one kind are told."""

    @property
    def kind(self) -> EndpointKind:
        """Which endpoints these are."""

    @property
    def longest(self) -> timedelta:
        """How long an exchange may take."""

    @property
    def may_repeat(self) -> bool:
        """Whether what was carried may be carried again when the server of the database dies just after it."""

    def packed(self, session: Session, claimed: Sequence[ClaimedDelivery], *, now: datetime) -> list[Parcel]:
        """What is to be carried of these deliveries, with all that the books know; no network is asked here."""

    def unpacked(self, session: Session, parcels: Sequence[Parcel]) -> None:
        """Take back what was done for parcels that were not carried."""
