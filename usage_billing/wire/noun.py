"""A noun: the fields of one kind of thing, and that thing as they describe it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from usage_billing.core.giving_way import in_turns
from usage_billing.wire.kinds import Currency, Cursor, Kind

Shape = dict[str, Any]
"""A thing as JSON has it: texts, numbers, flags, null, lists and objects of those."""

_Read = Callable[[Any], Any]
_Step = tuple[str, _Read, Callable[[Any, str], Any] | None, bool]


@dataclass(frozen=True, eq=False)
class Field:
    """One field: its name on the wire, its kind, and a sentence that says what it is, and in what unit.

    It is read from ``attribute``, which is its name in snake_case unless given; ``price.unitPrice`` is the entry of a
    mapping. ``nullable`` is null where nothing applies. ``optional`` is left out there. ``derived`` follows from
    other fields: callers are told that it is for reading only.
    """

    name: str
    kind: Kind
    says: str
    nullable: bool = field(default=False, kw_only=True)
    optional: bool = field(default=False, kw_only=True)
    derived: bool = field(default=False, kw_only=True)
    attribute: str = field(default="", kw_only=True)


@dataclass(frozen=True, eq=False)
class Noun:
    """How a kind of thing looks: its fields in their order.

    ``row`` is for a thing that has its row as an attribute of this name, beside what else is shown of it: a field is
    read from the row, and one with an ``attribute`` of its own from the thing. ``money`` is where the currency of its
    amounts is, if no field tells.
    """

    name: str
    says: str
    fields: tuple[Field, ...]
    row: str = field(default="", kw_only=True)
    money: str = field(default="", kw_only=True)


@dataclass(frozen=True, eq=False)
class One(Kind):
    """A thing inside another."""

    noun: Noun

    def show(self, value: Any, currency: str) -> Shape:
        """The thing, its money in ``currency`` unless it has one of its own."""
        return show(self.noun, value, currency=currency)


@dataclass(frozen=True, slots=True)
class Written:
    """A thing in a list that was shown before: ``json`` is what takes its place in the answer."""

    json: Any


@dataclass(frozen=True, eq=False)
class Many(Kind):
    """A list of things inside another.

    With ``kept`` they are of a frozen kind, without money, and the same things are shown again and again:
    what was shown last is kept.
    """

    noun: Noun
    kept: bool = field(default=False, kw_only=True)

    def show(self, value: Any, currency: str) -> list[Any]:
        """The things in their order."""
        if self.kept:
            return [_shown_before(self.noun, one) for one in in_turns(value)]
        return [
            one.json if isinstance(one, Written) else show(self.noun, one, currency=currency) for one in in_turns(value)
        ]


def show(noun: Noun, thing: Any, *, currency: str = "") -> Shape:
    """``thing``, an object or a mapping with the attributes of ``noun``, as JSON has it.

    ``currency`` is for money in a thing that does not say its own.
    """
    own, steps = _compiled(noun)
    code = own(thing) if own is not None else currency
    shape: Shape = {}
    for name, read, render, optional in steps:
        value = read(thing)
        if value is not None:
            shape[name] = value if render is None else render(value, code)
        elif not optional:
            shape[name] = None
    return shape


@lru_cache(maxsize=1024)
def _shown_before(noun: Noun, thing: Any) -> Shape:
    """``show``, once for all things that are equal. No caller changes it."""
    return show(noun, thing)


@cache
def page_of(noun: Noun) -> Noun:
    """A page of a list: ``{data: [...], nextCursor}``."""
    return Noun(
        f"{noun.name}Page",
        f"A page of a list of {noun.name}.",
        (
            Field("data", Many(noun), "The things on this page, in the order of the list."),
            Field("nextCursor", Cursor(), "What brings the next page; null on the last.", nullable=True),
        ),
    )


def attribute_of(noun: Noun, described: Field) -> str:
    """Where a field is read: names with dots between."""
    if described.attribute:
        return described.attribute
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in described.name)
    return f"{noun.row}.{name}" if noun.row else name


@cache
def _compiled(noun: Noun) -> tuple[_Read | None, tuple[_Step, ...]]:
    """What reads the currency of a thing, and its fields."""
    own = next((_reader(attribute_of(noun, one)) for one in noun.fields if isinstance(one.kind, Currency)), None)
    if noun.money:
        own = _reader(noun.money)
    steps = (
        (one.name, _reader(attribute_of(noun, one), optional=one.optional), _render_of(one.kind), one.optional)
        for one in noun.fields
    )
    return own, tuple(steps)


def _render_of(kind: Kind) -> Callable[[Any, str], Any] | None:
    """How a value of ``kind`` is written; None where that is as it is."""
    return None if type(kind).show is Kind.show else kind.show


def _of(thing: Any, name: str, *, optional: bool) -> Any:
    if not isinstance(thing, dict):
        return getattr(thing, name)
    return thing.get(name) if optional else thing[name]


def _reader(attribute: str, *, optional: bool = False) -> _Read:
    """What reads ``attribute`` of a thing; an ``optional`` one need not be in a mapping."""
    first, *rest = attribute.split(".")
    if not rest and not optional:  # nearly all
        return lambda thing: thing[first] if isinstance(thing, dict) else getattr(thing, first)

    def read(thing: Any) -> Any:
        value = _of(thing, first, optional=optional)
        for name in rest:
            if value is None:
                return None
            value = value.get(name) if isinstance(value, dict) else getattr(value, name)
        return value

    return read
