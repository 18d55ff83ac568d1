"""What an answer of the service means for the recordings sent, and when to try again. Pure, except for a random wait.

Only the service's own answers count: a proxy's page with status 200 accepts nothing, and a proxy's 400 or 413 refuses
nothing, whatever it is written in. Recordings whose answer is not understood are kept and sent again.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

MAX_RETRY_AFTER = 300.0
"""A service that asks for more seconds than this is asked again after this many."""

_MANY = 32  # doublings after which every cap is reached
_OK, _REDIRECT, _SERVER_ERROR = 200, 300, 500
_LATER = {408, 425, 429}
_DENIED = {
    401: "the key does not hold: check the api_key (INTERNAL_API_KEY of the service)",
    403: "the key is not allowed to: recording needs the scope usage:write, looking up usage:read",
}
_TOO_LARGE = 413
_ABOUT_THE_RECORDINGS = {400, 409, 413, 422}
_PROBLEM = "application/problem+json"
_EVENT = re.compile(r"/events/(0|[1-9][0-9]{0,8})(?:/|$)")


@dataclass(frozen=True)
class Answer:
    """A whole answer; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Kind(Enum):
    """What the client does after an answer."""

    ACCEPTED = "accepted"  # done with
    LATER = "later"  # the service is busy or broken: try again soon
    KEEP = "keep"  # the configuration is wrong: keep everything until a person has mended it
    REFUSED = "refused"  # the recordings named are wrong; the others are good
    DIVIDE = "divide"  # something among them is wrong or too much: halve them to find out


@dataclass(frozen=True)
class Verdict:
    """What an answer means. ``refused`` has, per index sent, the problems that the service named."""

    kind: Kind
    reason: str = ""
    status: int = 0
    retry_after: float | None = None
    refused: Mapping[int, list[dict[str, Any]]] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False
    """Whether the service itself said no."""

    @property
    def too_large(self) -> bool:
        """Whether something between finds the request too large, and not the service."""
        return self.status == _TOO_LARGE and not self.ours


def judge_batch(answer: Answer, *, count: int) -> Verdict:
    """The meaning of an answer to a batch of ``count`` recordings."""
    body = _object(answer.body)
    if _OK <= answer.status < _REDIRECT and body.get("accepted") == count and _has_ids(body, count):
        return Verdict(Kind.ACCEPTED, status=answer.status, body=body)
    return _judge_other(answer, body, count=count)


def judge_single(answer: Answer) -> Verdict:
    """The meaning of an answer to one recording sent by itself."""
    body = _object(answer.body)
    if _OK <= answer.status < _REDIRECT and isinstance(body.get("id"), str):
        return Verdict(Kind.ACCEPTED, status=answer.status, body=body)
    return _judge_other(answer, body, count=1)


def judge_look_up(answer: Answer) -> Verdict:
    """The meaning of an answer to a question: only the service's own problems are a no."""
    body = _object(answer.body)
    if _OK <= answer.status < _REDIRECT and body:
        return Verdict(Kind.ACCEPTED, status=answer.status, body=body)
    return dataclasses.replace(_judge_other(answer, body, count=1), ours=_is_ours(answer, body))


def _judge_other(answer: Answer, body: Mapping[str, Any], *, count: int) -> Verdict:
    status = answer.status
    if status in _LATER or status >= _SERVER_ERROR:
        wait = read_retry_after(answer.headers.get("retry-after"), now=datetime.now(timezone.utc))
        return Verdict(Kind.LATER, f"the service answered {status}", status, retry_after=wait, body=body)
    if status in _DENIED:
        return Verdict(Kind.KEEP, f"the service answered {status}: {_DENIED[status]}", status, body=body)
    if status == _TOO_LARGE and count > 1:
        return Verdict(Kind.DIVIDE, "too large", status, body=body)
    if status in _ABOUT_THE_RECORDINGS and _is_ours(answer, body):
        refused = _refused(body, count=count)
        kind = Kind.REFUSED if refused else Kind.DIVIDE
        return Verdict(kind, str(body.get("detail") or body["code"]), status, refused=refused, body=body, ours=True)
    hint = "is the address that of the usage-billing service, with nothing between that answers for it?"
    return Verdict(Kind.KEEP, f"an answer {status} that is not understood: {hint}", status, body=body)


def _has_ids(body: Mapping[str, Any], count: int) -> bool:
    ids = body.get("ids")
    return isinstance(ids, list) and len(ids) == count


def _is_ours(answer: Answer, body: Mapping[str, Any]) -> bool:
    """Whether the problem is one that the service makes, and not a gateway or another service behind the address."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    named = isinstance(body.get("code"), str) and isinstance(body.get("requestId"), str)
    return media_type == _PROBLEM and named and body.get("status") == answer.status


def _refused(body: Mapping[str, Any], *, count: int) -> dict[int, list[dict[str, Any]]]:
    """The problems by index of the recording; empty when not every problem says which it is about."""
    found: dict[int, list[dict[str, Any]]] = {}
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        named = _EVENT.match(str(error.get("pointer"))) if isinstance(error, dict) else None
        if named is None or int(named[1]) >= count:
            return {}
        found.setdefault(int(named[1]), []).append(error)
    return found


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def pause(failures: int, *, base: float, cap: float, retry_after: float | None = None) -> float:
    """Seconds to wait after ``failures`` (1 or more) failures in a row.

    Exponential with full jitter: anything from 0 to ``base * 2 ** (failures - 1)``, at most ``cap``. The
    wait that the service asked for comes first and the jitter after it, so that clients do not all return at once.
    """
    spread = min(cap, base * 2.0 ** min(failures - 1, _MANY))
    jitter = random.uniform(0, spread)  # noqa: S311 (dice, no secret)
    return jitter if retry_after is None else min(retry_after, MAX_RETRY_AFTER) + min(jitter, 1.0)


def read_retry_after(text: str | None, *, now: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, spelled as seconds or as a date; None if it says nothing."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return max(0.0, (instant - now).total_seconds())
