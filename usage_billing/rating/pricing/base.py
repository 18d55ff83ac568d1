"""What a pricing model is, and how its fields are read."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from usage_billing.core.decimals import EXACT, MAX_PRICE, MAX_QUANTITY, NotADecimal, parse_decimal, plain
from usage_billing.core.errors import InvalidInput

Fields = Mapping[str, Any]
"""A price or a tier as it is sent and stored: decimals as text, or as the int or Decimal that JSON spelled."""


_NOTHING = Decimal(0)


class Line(NamedTuple):
    """One step of the arithmetic: ``quantity`` of what ``label`` says costs ``amount``, exactly.

    ``wording`` has a ``{}`` for each of its ``figures``. They are put together only when a person reads the step: a run
    never does that. The wording is one of few, so that it can be said in other languages; ``cell`` is the name of the
    cell that the step is for, and stands before it.
    """

    wording: str
    quantity: Decimal
    amount: Decimal
    figures: tuple[Decimal, ...] = ()
    cell: str = ""

    @property
    def label(self) -> str:
        """The wording of the step with its figures filled in."""
        said = self.wording.format(*map(plain, self.figures)) if self.figures else self.wording
        return f"{self.cell}: {said}" if self.cell else said


class PricingModel(Protocol):
    """One way to charge for a quantity. A model is frozen, pure and exact: only the engine rounds, once."""

    name: ClassVar[str]
    field_names: ClassVar[frozenset[str]]

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read the model's own fields; raises InvalidInput pointing below ``pointer``."""
        ...

    def fields(self) -> dict[str, Any]:
        """The model's own fields as they are stored and sent, decimals as text."""
        ...

    @property
    def reads_each(self) -> bool:
        """Whether what is charged depends on the quantity of each recording, and not only on their sum."""
        ...

    @property
    def counts_recordings(self) -> bool:
        """Whether what is charged depends on recordings one by one, or on how many there are."""
        ...

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:
        """The model for a part of a period: each flat amount is ``part`` of the whole one."""
        ...

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:
        """The steps by which ``quantity`` (> 0), reported in so many ``recordings``, is charged.

        ``each`` has the quantity of each of them, in the order recorded, where the model ``reads_each``.
        """
        ...


class ReadsSums:
    """What most models have in common: they look at sums alone."""

    __slots__ = ()

    @property
    def reads_each(self) -> bool:
        """They do not."""
        return False

    @property
    def counts_recordings(self) -> bool:
        """They do not."""
        return False

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:  # noqa: ARG002
        """Nothing of it is flat."""
        return self


def total_of(lines: list[Line]) -> Decimal:
    """What the steps add up to, unrounded."""
    total = _NOTHING
    for line in lines:
        total = EXACT.add(total, line.amount)
    return total


def read_price(
    fields: Fields, name: str, *, pointer: str, default: Decimal | None = None, maximum: Decimal = MAX_PRICE
) -> Decimal:
    """The decimal in ``fields[name]``; raises InvalidInput when it is none, or missing without a ``default``."""
    value = fields.get(name)
    where = f"{pointer}/{name}"
    if value is None:
        if default is None:
            raise InvalidInput.field(where, "is required", code="required")
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidInput.field(where, "must be a decimal number", code="not_a_decimal")
    try:
        return parse_decimal(str(value), maximum=maximum)
    except NotADecimal as error:
        raise InvalidInput.field(where, str(error), code="not_a_decimal") from error


def read_quantity(fields: Fields, name: str, *, pointer: str, default: Decimal | None = None) -> Decimal:
    """The number of units in ``fields[name]``; raises InvalidInput when it is none, or missing without a default."""
    return read_price(fields, name, pointer=pointer, default=default, maximum=MAX_QUANTITY)
