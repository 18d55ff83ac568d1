"""Pages by number, as programs of others ask for them: ``?page=2&per_page=20``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from werkzeug.datastructures import MultiDict

from usage_billing.core.errors import InvalidInput

_MOST_SKIPPED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The names of the parameters, and how many things a page has unless that is asked for, and at most."""

    number: str
    size: str
    usual: int
    most: int


@dataclass(frozen=True, slots=True)
class AskedPage:
    """The page that is asked for, the first is 1; ``more`` are the other parameters, ``lists`` those with several."""

    number: int
    size: int
    more: dict[str, str]
    lists: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class FoundPage:
    """The things on a page; ``total`` is how many there are in all, 0 where they were not counted."""

    rows: Sequence[Any]
    total: int


def page_asked(
    parameters: MultiDict[str, str], page: Page, *, also: Iterable[str] = (), lists: Iterable[str] = ()
) -> AskedPage:
    """The page that an address asks for; ``also`` are other parameters, ``lists`` those that may stand several times.

    Raises InvalidInput for any other.
    """
    for name, values in parameters.lists():
        if name not in {page.number, page.size, *also, *lists}:
            raise InvalidInput.field(f"?{name[:64]}", "is not a parameter of this request", code="unknown")
        if len(values) > 1 and name not in lists:
            raise InvalidInput.field(f"?{name}", "is given twice", code="repeated")
    number = _whole(parameters, page.number, usual=1, most=_MOST_SKIPPED)
    size = _whole(parameters, page.size, usual=page.usual, most=page.most)
    if number * size > _MOST_SKIPPED:
        raise InvalidInput.field(f"?{page.number}", "is too far on", code="out_of_range")
    more = {name: parameters[name] for name in also if name in parameters}
    return AskedPage(number, size, more, {name: parameters.getlist(name) for name in lists if name in parameters})


def paged(
    session: Session,
    statement: Select[Any],
    *,
    by: Sequence[ColumnElement[Any] | InstrumentedAttribute[Any]],
    asked: AskedPage,
    counted: bool = False,
) -> FoundPage:
    """The page of what ``statement`` finds, ordered ``by`` columns."""
    rows = session.scalars(statement.order_by(*by).limit(asked.size).offset((asked.number - 1) * asked.size)).all()
    total = session.scalar(select(func.count()).select_from(statement.subquery())) if counted else 0
    return FoundPage(rows, total or 0)


def _whole(parameters: MultiDict[str, str], name: str, *, usual: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise InvalidInput.field(f"?{name}", f"must be a number from 1 to {most}", code="out_of_range")
    return int(text)
