"""Decides about many recordings in quarantine: those that were ticked, those of a reason, or all that are open.

Each is decided about in a transaction of its own, so that a refused one does not undo the others.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api.state import state, this_request
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording import quarantine
from usage_billing.metering.queries import open_by_reason, open_ids
from web.admin.blueprint import blp
from web.admin.desk import Desk, Operator
from web.admin.frame import framed
from web.admin.gate import changing, look_again
from web.cross_site import FIELD

AT_ONCE = 200
"""So many are decided about by one click; the page then offers the next."""

_FIELDS = {FIELD, "id", "reason", "after", "sure"}

Decide = Callable[[Session, UUID, Operator], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which recordings: the ``ids`` that were ticked, or all open ones (of a ``reason``) that come after one."""

    ids: Sequence[UUID]
    reason: str | None
    after: UUID | None


@blp.post("/quarantine/replay")
@changing
def replay_many(operator: Operator) -> Response:
    """Count recordings now that what was wrong is put right."""
    asked = _asked()
    return _decide(operator, asked, "replay", _replay)


@blp.post("/quarantine/discard")
@changing
def discard_many(operator: Operator) -> Response:
    """Decide that recordings are never counted; asked for the first time, it asks back, naming how many."""
    asked = _asked()
    if this_request().form.get("sure") != "yes":
        return look_again(operator, lambda desk: _ask_back(desk, asked))
    return _decide(operator, asked, "discard", _discard)


def _replay(session: Session, id: UUID, operator: Operator) -> str:
    return quarantine.replay(session, id, actor=operator.actor, now=operator.now).outcome


def _discard(session: Session, id: UUID, operator: Operator) -> str:
    return quarantine.discard(session, id, actor=operator.actor, now=operator.now).status


def _asked() -> Asked:
    form = this_request().form
    if strays := set(form) - _FIELDS:
        raise InvalidInput.field(f"/{min(strays)[:64]}", "is no field of this form", code="unknown")
    try:
        ids = [UUID(text) for text in form.getlist("id")]
        after = UUID(form["after"]) if form.get("after") else None
    except ValueError:
        raise InvalidInput.field("/id", "must be ids of recordings") from None
    if len(ids) > AT_ONCE:
        raise InvalidInput.field("/id", f"must be {AT_ONCE} at most")
    return Asked(ids, form.get("reason") or None, after)


def _decide(operator: Operator, asked: Asked, verb: str, decide: Decide) -> Response:
    ids, more = _ids(asked)
    outcomes: Counter[str] = Counter()
    refused: list[dict[str, Any]] = []
    for id in ids:
        try:
            with transaction(state().engine) as session:
                outcomes[decide(session, id, operator)] += 1
        except (Conflict, NotFound) as error:
            refused.append({"id": str(id), "why": error.message})
    following = str(ids[-1]) if more else ""
    context: dict[str, Any] = {
        "verb": verb,
        "outcomes": sorted(outcomes.items()),
        "refused": refused,
        "following": following,
    }
    shown = context | {"reason": asked.reason or "", "at_once": AT_ONCE}
    return look_again(operator, lambda desk: framed(desk, "quarantine", "decided", **shown))


def _ids(asked: Asked) -> tuple[Sequence[UUID], bool]:
    """The recordings to decide about now, and whether more of them follow."""
    if asked.ids:
        return asked.ids, False
    with read_only(state().engine) as session:
        found = open_ids(session, reason=asked.reason, after=asked.after, at_most=AT_ONCE + 1)
    return found[:AT_ONCE], len(found) > AT_ONCE


def _ask_back(desk: Desk, asked: Asked) -> Response:
    found = open_by_reason(desk.session)
    number = len(asked.ids) or (found.get(asked.reason, 0) if asked.reason else sum(found.values()))
    return framed(
        desk, "quarantine", "discard_many", asked=asked, number_of=number, at_once=AT_ONCE, reason=asked.reason or ""
    )
