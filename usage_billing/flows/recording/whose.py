"""Finds the subscription of each recording whose sender named one thing: a subscription, or a customer.

A subscription with that name goes before a customer with it, who has to be its own: where another customer with
subscriptions has the name, it is not guessed. Of a customer's subscriptions it is the one that ran when
the usage occurred; of several, the one with a quota for the usage type then. Where that leaves none or several, the
recording goes to quarantine, and a replay looks again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.db.bulk import find_by_index
from usage_billing.metering.recording import Recording, shard_of
from usage_billing.metering.service import RefusedRecording
from usage_billing.metering.states import QuarantineReason
from usage_billing.subscriptions.agreement import quota_course
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.named import Owned, named_subscriptions
from usage_billing.subscriptions.queries import timelines_of

# At most so many subscriptions are named in a detail.
_MOST_NAMED = 10
# Of a customer with more subscriptions than this, a sender has to name the subscription.
_MOST_OWNED = 200


@dataclass(slots=True)
class Placed:
    """The recordings of a batch with their subscriptions, and those without.

    ``beside`` names, by recording, the customer's other subscriptions: a key that was used in one of them is used. A
    recording of a customer with one subscription, as most are, is not in it.
    """

    recordings: list[Recording] = field(default_factory=list)
    refused: list[RefusedRecording] = field(default_factory=list)
    beside: dict[UUID, tuple[str, ...]] = field(default_factory=dict)

    def add(self, recording: Recording, owned: Sequence[Owned]) -> None:
        """Add ``recording``, which has its subscription; ``owned`` are all subscriptions of the customer it named."""
        self.recordings.append(recording)
        others = tuple(one.id for one in owned if one.id != recording.subscription_id)
        if others:
            self.beside[recording.id] = others


def find_subscriptions(session: Session, recordings: Sequence[Recording]) -> Placed:
    """Give each recording that needs one its subscription and its customer; the others stay as they are."""
    if not any(one.beside.whose or one.beside.unread for one in recordings):
        return Placed(recordings=list(recordings))
    find_by_index(session)
    placed = Placed()
    finder = _Finder(session, {one.beside.whose for one in recordings if one.beside.whose})
    for one in recordings:
        if one.beside.unread:
            placed.refused.append(RefusedRecording(one, QuarantineReason.BROKEN_PAYLOAD, one.beside.unread))
        elif one.beside.whose:
            finder.place(one, placed)
        else:
            placed.recordings.append(one)
    return placed


def shards_of(recordings: Iterable[Recording]) -> set[int]:
    """The shards that a writer of ``recordings`` locks.

    Beside that of its subscription, that of the name a recording came with: all repeats of it come with that name.
    """
    names = set[str]()
    for one in recordings:
        names.add(one.subscription_id)
        if one.beside.whose:
            names.add(one.beside.whose)
    return {shard_of(name) for name in names}


class _Finder:
    """What is known of the names in a batch."""

    def __init__(self, session: Session, names: set[str]) -> None:
        self._subscriptions: dict[str, Owned] = {}
        self._customers: dict[str, list[Owned]] = {}
        for found in named_subscriptions(session, names, most=_MOST_OWNED + 1):
            if found.id in names:
                self._subscriptions[found.id] = found
            if found.customer_id in names:
                self._customers.setdefault(found.customer_id, []).append(found)
        several = [one.id for owned in self._customers.values() if 1 < len(owned) <= _MOST_OWNED for one in owned]
        self._timelines: dict[str, Timeline] = timelines_of(session, several) if several else {}
        plans = {term.plan_id for timeline in self._timelines.values() for term in timeline.terms}
        self._quotas: QuotaBook | None = quotas_of(session, plans, subscription_ids=several) if several else None

    def place(self, recording: Recording, placed: Placed) -> None:
        """Add ``recording`` to ``placed``, with its subscription or refused."""
        name = recording.beside.whose
        named, owned = self._subscriptions.get(name), self._customers.get(name)
        if named is not None and (owned is None or named.customer_id == name):
            placed.add(_of(recording, named), owned or ())
            return
        if named is not None and owned is not None:
            unplaced = replace(recording, subscription_id="")
            placed.refused.append(_refusal(unplaced, [named, *owned], owned))
            return
        if owned is None:
            detail = f"there is no subscription {name}, and no customer {name} with one"
            placed.refused.append(RefusedRecording(recording, QuarantineReason.UNKNOWN_SUBSCRIPTION, detail))
            return
        found = owned if len(owned) == 1 else self._fitting(recording, owned)
        if len(found) == 1:
            placed.add(_of(recording, found[0]), owned)
            return
        placed.refused.append(_refusal(replace(recording, customer_id=name, subscription_id=""), found, owned))

    def _fitting(self, recording: Recording, owned: Sequence[Owned]) -> list[Owned]:
        """Those that ran when ``recording`` occurred; of several, those with a quota for its type, if any has one."""
        if len(owned) > _MOST_OWNED:
            return list(owned)
        running = [one for one in owned if self._ran(one, recording)]
        priced = [one for one in running if self._has_quota(one, recording)] if len(running) > 1 else []
        return priced or running

    def _ran(self, owned: Owned, recording: Recording) -> bool:
        term = self._timelines[owned.id].term_at(recording.occurred_at)
        return term is not None and not term.paused

    def _has_quota(self, owned: Owned, recording: Recording) -> bool:
        timeline, book = self._timelines[owned.id], self._quotas
        plan_id = timeline.plan_at(recording.occurred_at)
        if book is None or recording.usage_type not in book.usage_types_of(plan_id, owned.id):
            return False
        course = quota_course(timeline, book, owned.id, recording.usage_type, plan_id)
        return course.at(recording.occurred_at) is not None


def _of(recording: Recording, owned: Owned) -> Recording:
    """``recording`` under a subscription; a customer whom its key is bound to stays, and is compared."""
    return replace(recording, subscription_id=owned.id, customer_id=recording.customer_id or owned.customer_id)


def _refusal(recording: Recording, found: Sequence[Owned], owned: Sequence[Owned]) -> RefusedRecording:
    name = recording.beside.whose
    if not found:
        detail = f"none of the subscriptions of {name} ran when it occurred: {_names(owned)}"
        return RefusedRecording(recording, QuarantineReason.OUTSIDE_SUBSCRIPTION, detail)
    detail = f"by the name {name} it may belong to several subscriptions: {_names(found)}"
    return RefusedRecording(recording, QuarantineReason.AMBIGUOUS_SUBSCRIPTION, detail)


def _names(owned: Sequence[Owned]) -> str:
    names = sorted(one.id for one in owned)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
