"""Schedules: grants that recur, made once for each occurrence, and ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import MAX_QUANTITY, plain
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.limits import MAX_COUNT
from usage_billing.core.periods import is_time_zone
from usage_billing.flows.prepaid.amounts import check_places
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.flows.prepaid.manage_grants import NewGrant, check_cuts, row_of
from usage_billing.flows.prepaid.open_occurrences import open_occurrences
from usage_billing.flows.prepaid.open_wallet import check_open, open_wallet
from usage_billing.prepaid.burn_down import USUAL_PRIORITY
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import get_schedule
from usage_billing.schedules.service import add_schedule, end_at
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.wallets.models import Wallet

MOST_AT_ONCE = 1000
"""So many occurrences of a schedule may lie in the past when it is made."""

_WHOLE = 100
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """``interval_count`` days, weeks, months, quarters or years."""

    interval: str
    interval_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """What of a grant is carried over to the next: at most ``max``, and ``max_percent`` of its amount (None: all).

    It holds for ``periods`` occurrences.
    """

    max: Decimal | None = None
    max_percent: int | None = None
    periods: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A grant of ``amount`` that recurs ``every`` so often, from ``starts_at`` (None: now) to before ``ends_at``.

    With the ``anchor`` ``anniversary`` the first occurrence is at ``starts_at``, and the others follow its day and
    time; with ``calendar`` they are midnights, Mondays, first days of months, quarters or years. Both are of
    ``timezone`` (None: the subscription's if the wallet is of one, else UTC). A grant holds for ``validity``, or with
    ``until_next`` until the next one begins, or else for ever.
    """

    amount: Decimal
    idempotency_key: str
    every: Interval
    anchor: str = "anniversary"
    timezone: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    validity: Interval | None = None
    until_next: bool = False
    rollover: Carrying | None = None
    category: str | None = None
    priority: int = USUAL_PRIORITY
    usage_types: Sequence[str] | None = None
    subscription_ids: Sequence[str] | None = None


def make_schedule(
    session: Session, wallet_id: str, new: NewSchedule, *, actor: str, now: datetime, grace: timedelta
) -> tuple[Schedule, bool]:
    """Store ``new`` and the grants of occurrences that have come; returns it, and False when its key has made it.

    Raises NotFound; InvalidInput; Conflict with ``conflicting_schedule`` when the key has made another one, and with
    ``cuts_posted`` where an occurrence that has come would divide usage of which what was paid for is final.
    """
    wallet = open_wallet(session, wallet_id, now=now)
    there = session.scalars(
        select(Schedule).where(Schedule.wallet_id == wallet_id, Schedule.key == new.idempotency_key)
    ).first()
    made = _row_of(session, wallet, new, now=now if there is None else there.starts_at, grace=grace)
    if there is not None:
        if not _is_same(there, made):
            raise Conflict("the key has made another schedule of this wallet", code="conflicting_schedule")
        return there, False
    check_open(wallet)
    schedule = Schedule(**made)
    recurrence = schedule.recurrence
    schedule.next_at = recurrence.first()
    if schedule.next_at is None:
        raise InvalidInput.field("/endsAt", "must be after the first occurrence", code="out_of_range")
    if len(list(islice(recurrence.due(schedule.next_at, now), MOST_AT_ONCE + 1))) > MOST_AT_ONCE:
        message = f"must not lie more than {MOST_AT_ONCE} occurrences back"
        raise InvalidInput.field("/startsAt", message, code="out_of_range")
    add_schedule(session, schedule)
    note(
        session,
        actor=actor,
        action="wallet.schedule_made",
        subject=f"wallet:{wallet_id}",
        at=now,
        schedule=str(schedule.id),
        amount=plain(schedule.amount),
        interval=schedule.interval,
        intervalCount=schedule.interval_count,
    )
    opened = open_occurrences(session, [wallet], now=now)
    check_cuts(session, *(grant for grant in opened if grant.unused_of is None))
    return schedule, True


def end_schedule(session: Session, schedule_id: UUID, *, at: datetime | None, actor: str, now: datetime) -> Schedule:
    """Let a schedule make no grant from ``at`` (None: now) on; those that it made stay as they are.

    Raises NotFound; InvalidInput for an instant that is past; Conflict with ``schedule_ended`` where it has ended.
    """
    wallet = open_wallet(session, get_schedule(session, schedule_id).wallet_id, now=now)
    schedule = get_schedule(session, schedule_id)
    ends_at = now if at is None else at
    if ends_at < now:
        raise InvalidInput.field("/at", "must not be in the past: grants were made until now", code="out_of_range")
    if schedule.ends_at is not None and schedule.ends_at <= now:
        raise Conflict("the schedule has ended already", code="schedule_ended")
    end_at(session, schedule, ends_at)
    note(
        session,
        actor=actor,
        action="wallet.schedule_ended",
        subject=f"wallet:{wallet.id}",
        at=now,
        schedule=str(schedule_id),
        endsAt=ends_at.isoformat(),
    )
    return schedule


def _row_of(
    session: Session, wallet: Wallet, new: NewSchedule, *, now: datetime, grace: timedelta
) -> dict[str, object]:
    """The row of a schedule; raises InvalidInput."""
    hours = hours_of(session, wallet)
    starts_at = new.starts_at or hours.start_of(now)
    hours.check("/startsAt", starts_at)
    if starts_at < _EARLIEST:
        raise InvalidInput.field("/startsAt", f"must not be before {_EARLIEST:%Y-%m-%d}", code="out_of_range")
    if new.ends_at is not None and new.ends_at <= starts_at:
        raise InvalidInput.field("/endsAt", "must be after the schedule starts", code="out_of_range")
    if new.until_next and new.validity is not None:
        message = "and a validity say two different ends"
        raise InvalidInput.field("/untilNext", message, code="contradiction")
    if new.timezone is not None and not is_time_zone(new.timezone):
        message = "must be an IANA time zone such as Europe/Berlin"
        raise InvalidInput.field("/timezone", message, code="unknown_zone")
    hours.check_zone("/timezone", new.timezone, year=starts_at.year)
    carrying = _carrying(wallet, new)
    one = NewGrant(
        amount=new.amount,
        idempotency_key=new.idempotency_key,
        category=new.category,
        priority=new.priority,
        usage_types=new.usage_types,
        subscription_ids=new.subscription_ids,
        effective_at=starts_at,
    )
    granted = row_of(session, wallet, one, now=now, grace=grace)
    same = ("wallet_id", "key", "category", "priority", "usage_types", "subscription_ids", "amount")
    return {
        **{name: granted[name] for name in same},
        "interval": new.every.interval,
        "interval_count": new.every.interval_count,
        "anchor": None if new.anchor == "calendar" else starts_at,
        "timezone": new.timezone or _zone_of(session, wallet),
        "starts_at": starts_at,
        "ends_at": new.ends_at,
        "until_next": new.until_next,
        "validity_interval": None if new.validity is None else new.validity.interval,
        "validity_count": None if new.validity is None else new.validity.interval_count,
        "grace_seconds": grace // timedelta(seconds=1),
        "rollover_periods": None if carrying is None else carrying.periods,
        "rollover_max": None if carrying is None else carrying.max,
        "rollover_percent": None if carrying is None else carrying.max_percent,
    }


def _carrying(wallet: Wallet, new: NewSchedule) -> Carrying | None:
    """What is carried over; raises InvalidInput."""
    found = new.rollover
    if found is None:
        return None
    if not new.until_next:
        message = "needs untilNext: what is left when the next one begins is carried over"
        raise InvalidInput.field("/rollover", message, code="contradiction")
    if found.max is not None:
        if not 0 < found.max <= MAX_QUANTITY:
            message = f"must be more than 0 and at most {MAX_QUANTITY:f}"
            raise InvalidInput.field("/rollover/max", message, code="out_of_range")
        check_places(wallet, found.max, pointer="/rollover/max")
    if found.max_percent is not None and not 1 <= found.max_percent <= _WHOLE:
        raise InvalidInput.field("/rollover/maxPercent", "must be from 1 to 100", code="out_of_range")
    if not 1 <= found.periods <= MAX_COUNT:
        raise InvalidInput.field("/rollover/periods", f"must be from 1 to {MAX_COUNT}", code="out_of_range")
    return found


def _zone_of(session: Session, wallet: Wallet) -> str:
    if wallet.subscription_id is None:
        return "UTC"
    return get_subscription(session, wallet.subscription_id).timezone


def _is_same(there: Schedule, made: dict[str, object]) -> bool:
    """Whether a key asks for the schedule that it made, which may have been ended since, earlier than it asks for."""
    known = ("ends_at", "grace_seconds")
    if any(getattr(there, name) != value for name, value in made.items() if name not in known):
        return False
    ends_at = made["ends_at"]
    return not isinstance(ends_at, datetime) or (there.ends_at is not None and there.ends_at <= ends_at)
