"""Cursors: opaque text for where a page ended. A cursor that this API did not make is refused."""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.errors import Unreadable
from api.fitted import fitted
from usage_billing.core.identifiers import IDENTIFIER_PATTERN
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.core.spans import Span
from usage_billing.db.keyset import page_of
from usage_billing.wire.noun import Noun

Row = TypeVar("Row")

# What a cursor of each kind of list holds; decoding checks it, for it goes into a query.
BY_NAME = tuple[Annotated[str, msgspec.Meta(pattern=rf"^{IDENTIFIER_PATTERN}\Z")]]
BY_ID = tuple[UUID]
BY_NUMBER = tuple[Annotated[int, msgspec.Meta(ge=0, le=MAX_BIGINT)]]
BY_PLACE = tuple[Annotated[int, msgspec.Meta(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)], UUID]


def listed(
    session: Session,
    statement: Select[Row],
    query: dict[str, Any],
    *,
    noun: Noun,
    by: Sequence[InstrumentedAttribute[Any]],
    kind: Any,
    newest_first: bool = False,
    viewed: Callable[[Sequence[Any]], Iterable[Any]] = iter,
    currency: str = "",
) -> dict[str, Any]:
    """The page that ``query`` (``limit``, ``cursor``) asks for, in the bytes that a page may have.

    It is ready for ``page_of`` ``noun``, which describes what ``viewed`` makes of the rows; money is in ``currency``
    where a thing does not say its own.
    """
    after = read_cursor(query["cursor"], kind)
    page = page_of(session, statement, by=by, after=after, limit=query["limit"], newest_first=newest_first)
    data, last = fitted(noun, viewed(page.rows), positions=page.keys, last=page.last, currency=currency)
    return {"data": data, "next_cursor": last}


def filters_of(query: dict[str, Any]) -> dict[str, Any]:
    """What of ``query`` chooses among the rows, for the ``*_where`` of a room; ``from`` and ``to`` as a span."""
    filters = {name: value for name, value in query.items() if name not in {"limit", "cursor", "start", "end"}}
    return filters | ({"span": Span(start=query["start"], end=query["end"])} if "start" in query else {})


def read_cursor(text: str | None, kind: Any) -> Any:
    """The position that the cursor ``text`` stands for; None without one. Raises Unreadable (400)."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Unreadable("the cursor is none of ours; begin without one", code="bad_cursor") from error
