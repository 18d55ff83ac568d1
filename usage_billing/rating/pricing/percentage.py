"""A share of what was reported, such as a payment's volume, and a fixed fee for each recording."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from usage_billing.core.decimals import EXACT, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import Fields, Line, read_price, read_quantity

MAX_RATE = Decimal(1000)
_NOTHING, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Percentage:
    """``rate x (quantity - freeUnits) + fixedFee x recordings``; the rate of 2.9 % is ``0.029``.

    With free recordings, or a least or most for each, it charges recording by recording. One is free while both the
    free recordings and the free units last, as far as they are given; where the free units end within a recording,
    the rest of it is charged, and so is all that follows.
    """

    name: ClassVar[str] = "percentage"
    field_names: ClassVar[frozenset[str]] = frozenset(
        {"rate", "fixedFee", "freeUnits", "freeRecordings", "minimumPerRecording", "maximumPerRecording"}
    )
    rate: Decimal
    fixed_fee: Decimal
    free_units: Decimal
    free_recordings: int = 0
    least: Decimal | None = None
    most: Decimal | None = None

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """``{"rate": "0.029", "fixedFee": "0.30", "freeUnits": "0", "freeRecordings": 3, ...}``."""
        found = cls(
            rate=read_price(fields, "rate", pointer=pointer, maximum=MAX_RATE),
            fixed_fee=read_price(fields, "fixedFee", pointer=pointer, default=_NOTHING),
            free_units=read_quantity(fields, "freeUnits", pointer=pointer, default=_NOTHING),
            free_recordings=_read_count(fields, "freeRecordings", pointer),
            least=_read_bound(fields, "minimumPerRecording", pointer),
            most=_read_bound(fields, "maximumPerRecording", pointer),
        )
        if found.least is not None and found.most is not None and found.least > found.most:
            message = "must not be less than minimumPerRecording"
            raise InvalidInput.field(f"{pointer}/maximumPerRecording", message, code="contradiction")
        return found

    @property
    def reads_each(self) -> bool:
        """Whether what is charged depends on each recording."""
        return bool(self.free_recordings) or self.least is not None or self.most is not None

    @property
    def counts_recordings(self) -> bool:
        """Whether what is charged depends on recordings one by one, or on how many there are."""
        return self.reads_each or bool(self.fixed_fee)

    def fields(self) -> dict[str, Any]:
        """The model's fields, decimals as text; ``freeRecordings`` and the bounds are left out unless given."""
        found: dict[str, Any] = {
            "rate": plain(self.rate),
            "fixedFee": plain(self.fixed_fee),
            "freeUnits": plain(self.free_units),
        }
        if self.free_recordings:
            found["freeRecordings"] = self.free_recordings
        for name, bound in (("minimumPerRecording", self.least), ("maximumPerRecording", self.most)):
            if bound is not None:
                found[name] = plain(bound)
        return found

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:  # noqa: ARG002
        """Nothing of it is flat."""
        return self

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:
        """The share, and the fees; then what each recording's least and most change of them."""
        if self.reads_each:
            return self._lines_by_recording(each)
        charged = max(_NOTHING, EXACT.subtract(quantity, self.free_units))
        return self._lines(charged, Decimal(recordings))

    def _lines(self, charged: Decimal, count: Decimal) -> list[Line]:
        found = [Line("{} x {}", charged, EXACT.multiply(charged, self.rate), (charged, self.rate))]
        if self.fixed_fee:
            fees = EXACT.multiply(count, self.fixed_fee)
            found.append(Line("{} recordings x {}", _NOTHING, fees, (count, self.fixed_fee)))
        return found

    def _lines_by_recording(self, each: Sequence[Decimal]) -> list[Line]:
        charged = count = more = less = _NOTHING
        for part in self._charged(each):
            charged, count = EXACT.add(charged, part), EXACT.add(count, _ONE)
            amount = EXACT.add(EXACT.multiply(part, self.rate), self.fixed_fee)
            if self.least is not None and amount < self.least:
                more = EXACT.add(more, EXACT.subtract(self.least, amount))
            elif self.most is not None and amount > self.most:
                less = EXACT.add(less, EXACT.subtract(self.most, amount))
        found = self._lines(charged, count)
        if more:
            found.append(Line("up to {} for a recording", _NOTHING, more, (self.least or _NOTHING,)))
        if less:
            found.append(Line("down to {} for a recording", _NOTHING, less, (self.most or _NOTHING,)))
        return found

    def _charged(self, each: Sequence[Decimal]) -> Iterator[Decimal]:
        """What is charged of each recording that is not free."""
        units, is_over = self.free_units, not (self.free_units or self.free_recordings)
        for number, quantity in enumerate(each, start=1):
            if is_over or (self.free_recordings and number > self.free_recordings):
                is_over = True
                yield quantity
            elif self.free_units:
                free = min(units, quantity)
                units = EXACT.subtract(units, free)
                is_over = not units
                if free < quantity:
                    is_over = True
                    yield EXACT.subtract(quantity, free)


def _read_bound(fields: Fields, name: str, pointer: str) -> Decimal | None:
    return None if fields.get(name) is None else read_price(fields, name, pointer=pointer)


def _read_count(fields: Fields, name: str, pointer: str) -> int:
    count = read_quantity(fields, name, pointer=pointer, default=_NOTHING)
    if count != int(count):
        raise InvalidInput.field(f"{pointer}/{name}", "must be a whole number", code="out_of_range")
    return int(count)
