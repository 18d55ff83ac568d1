"""The hours at which grants of a wallet of meters begin and end, as what such a wallet pays for is kept by the hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.meters.stretches import bucket_minutes
from usage_billing.wallets.models import Wallet

_ZONE = text("""
    SELECT coalesce(a.timezone, 'UTC') AS zone
    FROM wallets AS w LEFT JOIN subscriptions AS a ON a.id = w.subscription_id
    WHERE w.id = :wallet AND EXISTS (
        SELECT
        FROM wallet_scopes AS s JOIN usage_types AS t ON t.id = s.usage_type_id
        WHERE s.wallet_id = w.id AND t.of IS NOT NULL
    )
""")
_WHOLE_HOURS = 60


@dataclass(frozen=True, slots=True)
class Hours:
    """Full hours of ``zone``: that of the wallet's subscription, or UTC. None: grants begin and end at any instant."""

    zone: str | None

    def start_of(self, at: datetime) -> datetime:
        """Where the hour begins that an instant is in; the instant itself, where any is as good."""
        if self.zone is None:
            return at
        local = at.astimezone(ZoneInfo(self.zone))
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def end_of(self, at: datetime) -> datetime:
        """Where the hour ends that an instant is in; the instant itself, where it is a full hour or any is as good."""
        start = self.start_of(at)
        return at if start == at else start + timedelta(hours=1)

    def check(self, pointer: str, at: datetime | None) -> None:
        """Raises InvalidInput unless an instant that is given is a full hour."""
        if at is not None and self.start_of(at) != at:
            message = f"must be a full hour in {self.zone}: the wallet pays for a meter, which is kept by the hour"
            raise InvalidInput.field(pointer, message, code="not_a_full_hour")

    def check_zone(self, pointer: str, zone: str | None, *, year: int) -> None:
        """Raises InvalidInput where the hours of ``zone`` are not those of the wallet."""
        if self.zone is None or zone is None or zone == self.zone:
            return
        if any(bucket_minutes(one, year) != _WHOLE_HOURS for one in (self.zone, zone)):
            message = f"must have the full hours of {self.zone}: the wallet pays for a meter, which is kept by the hour"
            raise InvalidInput.field(pointer, message, code="zone_not_aligned")


def hours_of(session: Session, wallet: Wallet) -> Hours:
    """At which hours grants of a wallet begin and end; its usage types are stored."""
    return Hours(session.scalar(_ZONE, {"wallet": wallet.id}))
