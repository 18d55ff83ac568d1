"""Versions of a quota or a base fee: from when each holds for a subscription, and which holds when. Pure.

The version with the latest effective instant that is not after a moment holds at it; of two with one instant the later
does. It ends where the next begins. What an instant is depends on how a version was asked to take effect, and for most
ways on the subscription: its periods, when it came to the plan, and when it was made.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from usage_billing.core.choices import Effective
from usage_billing.core.periods import Period

ALWAYS = datetime.min.replace(tzinfo=UTC)
"""The effective instant of what holds from a subscription's start, whenever that is."""


class Version(Protocol):
    """One version; its ``id`` grows from version to version.

    An ``exact`` one holds from ``effective_from``; otherwise ``asked_at`` and the subscription tell from when. The
    ``first`` of a plan holds for a subscription that is made after it (``made_at``) from its start. ``ended_at`` is
    when a version of one's own was ended.
    """

    @property
    def id(self) -> int:
        """The number of the version among all."""

    @property
    def effective(self) -> str:
        """How it was asked to take effect, one of ``Effective``."""

    @property
    def exact(self) -> bool:
        """Whether it holds from ``effective_from`` itself."""

    @property
    def first(self) -> bool:
        """Whether it is the first of a plan, for what it is a version of."""

    @property
    def asked_at(self) -> datetime:
        """The moment for which it was asked."""

    @property
    def effective_from(self) -> datetime:
        """From when it holds, if it is exact."""

    @property
    def made_at(self) -> datetime:
        """When it was made."""

    @property
    def ended_at(self) -> datetime | None:
        """From when on it holds no more; None unless it was ended."""


Some = TypeVar("Some", bound=Version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What of a subscription decides from when a plan's versions hold: when it was made and ended, when it came to the
    plan (each time), and its billing period around an instant, by the plan's calendar."""

    made_at: datetime
    ended_at: datetime | None
    joined: Sequence[datetime]
    period_around: Callable[[datetime], Period]


@dataclass(frozen=True, slots=True)
class Course(Generic[Some]):
    """What holds from when on: ``held[i]`` from ``instants[i]`` to the next; None where no version does.

    At ``seams`` a version began once that was ended as of then or earlier. It divided usage, which stays divided there.
    """

    instants: Sequence[datetime] = ()
    held: Sequence[Some | None] = ()
    seams: frozenset[datetime] = frozenset()

    def at(self, moment: datetime) -> Some | None:
        """What holds at a moment."""
        place = bisect_right(self.instants, moment)
        return self.held[place - 1] if place else None


def is_always(version: Version, made_at: datetime) -> bool:
    """Whether a version holds from the start for a subscription that was made at ``made_at``."""
    since = always_since(version)
    return since is not None and since <= made_at


def always_since(version: Version) -> datetime | None:
    """A version holds from the start for subscriptions that were made at this instant or later; None: for none."""
    if version.effective == Effective.START:
        return ALWAYS
    return version.made_at if version.first and version.effective != Effective.INSTANT else None


def effective_instant(version: Version, holder: Holder) -> datetime | None:
    """From when a version holds for a subscription; None where it never does.

    ``next_period``: with the first period that begins at the moment asked for or later, or on coming to the plan after
    that. ``period``: with the period that runs then, unless the subscription had ended.
    """
    if is_always(version, holder.made_at):
        return ALWAYS
    if version.exact:
        return version.effective_from
    asked = version.asked_at
    if version.effective == Effective.PERIOD:
        over = holder.ended_at is not None and holder.ended_at <= asked
        return None if over else holder.period_around(asked).start
    running = holder.period_around(asked)
    begins = asked if running.start == asked else running.end
    return min([begins, *(joined for joined in holder.joined if joined >= asked)])


def course_of(versions: Sequence[Some], instants: Sequence[datetime | None]) -> Course[Some]:
    """The course of the versions of one quota or fee, given from when each holds."""
    begun = sorted(
        (
            (instant, version.id, version)
            for version, instant in zip(versions, instants, strict=True)
            if instant is not None and (version.ended_at is None or version.ended_at > instant)
        ),
        key=lambda one: one[:2],
    )
    ends = {version.ended_at for _, _, version in begun if version.ended_at is not None}
    seams = frozenset(
        instant
        for version, instant in zip(versions, instants, strict=True)
        if instant is not None and version.exact and version.ended_at is not None and version.ended_at <= instant
    )
    found: list[datetime] = sorted({instant for instant, _, _ in begun} | ends | seams)
    held: list[Some | None] = []
    for moment in found:
        last = next((version for instant, _, version in reversed(begun) if instant <= moment), None)
        held.append(None if last is None or (last.ended_at is not None and last.ended_at <= moment) else last)
    return Course(found, held, seams)


def before(own: Course[Some], listed: Course[Some]) -> Course[Some]:
    """One's own versions, and where none of them holds the plan's."""
    if not own.instants:
        return listed
    instants = sorted({*own.instants, *listed.instants})
    held = [own.at(moment) or listed.at(moment) for moment in instants]
    return Course(instants, held, own.seams | listed.seams)
