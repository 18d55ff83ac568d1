"""What a price would charge for a quantity, with the arithmetic; nothing is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.currency import is_currency
from usage_billing.rating.engine import rate
from usage_billing.rating.price import Price, parse_price
from usage_billing.rating.pricing.base import Line
from usage_billing.rating.pricing.by_dimension import BY_LIMIT, ByDimension, share_allowance
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal, totals_of_cells

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSeries:
    """What was used with these values of dimensions: texts, numbers, true, false or null."""

    dimensions: Mapping[str, Any]
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A price as a caller spells it, and the ``quantity`` to rate, reported in ``recordings`` recordings, or in one.

    ``quantities``, given instead of both, has the quantity of each recording. ``series``, given instead of these for a
    price by dimension, has the quantity of each combination of dimensions, of which ``allowance`` units are free.
    """

    price: Mapping[str, Any]
    currency: str
    quantity: Decimal | None = None
    quantities: Sequence[Decimal] | None = None
    recordings: int | None = None
    series: Sequence[TriedSeries] | None = None
    allowance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a price charges: ``breakdown`` adds up to ``exact``, which is rounded once to ``amount`` in ``currency``."""

    amount: Decimal
    exact: Decimal
    currency: str
    breakdown: tuple[Line, ...]


def preview(trial: Trial) -> Preview:
    """Rate what is tried; raises InvalidInput with a pointer to a field of ``Trial``.

    A price with a rule for each recording needs ``quantities``, unless there is only one recording.
    """
    currency, quantity, quantities = trial.currency, trial.quantity, trial.quantities
    if not is_currency(currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    parsed = parse_price(trial.price)
    if trial.series is not None:
        return _by_dimension(parsed, trial, trial.series)
    if trial.allowance is not None:
        message = "is for series: quantity is what lies beyond it"
        raise InvalidInput.field("/allowance", message, code="contradiction")
    if (quantity is None) == (quantities is None):
        raise InvalidInput.field("/quantity", "is required, or quantities in its place", code="required")
    if quantities is not None and trial.recordings is not None:
        message = "is not for several quantities: each of them is a recording"
        raise InvalidInput.field("/recordings", message, code="contradiction")
    if quantities is None:
        recordings = 1 if trial.recordings is None else trial.recordings
        if parsed.reads_each and recordings != 1:
            message = "are required: the price charges recording by recording"
            raise InvalidInput.field("/quantities", message, code="required")
        quantities, count = [quantity or _NOTHING], recordings
    else:
        count = len(quantities)
    each = [one for one in quantities if one]
    rated = rate(parsed, sum_of(quantities), recordings=count if each else 0, currency=currency, each=each)
    return Preview(amount=rated.amount, exact=rated.exact, currency=currency, breakdown=tuple(rated.lines))


def _by_dimension(price: Price, trial: Trial, given: Sequence[TriedSeries]) -> Preview:
    """Each cell rated for its part, and what the whole adds to them."""
    model, currency = price.model, trial.currency
    if not isinstance(model, ByDimension):
        message = f"is for a price by dimension, and this is {model.name}"
        raise InvalidInput.field("/series", message, code="contradiction")
    for name in ("quantity", "quantities", "recordings"):
        if getattr(trial, name) is not None:
            raise InvalidInput.field(f"/{name}", "give this or series, not both", code="contradiction")
    if model.allowance == BY_LIMIT and trial.allowance:
        message = "must not be given: each cell of the price has its own limit"
        raise InvalidInput.field("/allowance", message, code="contradiction")
    for index, one in enumerate(given):
        for name, value in one.dimensions.items():
            if isinstance(value, list | dict):
                pointer = f"/series/{index}/dimensions/{name}"
                raise InvalidInput.field(pointer, "must be a text, a number, true, false or null", code="not_supported")
    tried = SegmentSeries.in_units([SeriesTotal(one.dimensions, one.quantity) for one in given])
    totals = totals_of_cells(model, [tried])
    if model.allowance == BY_LIMIT:
        allowances = model.limits()
    else:
        shares = share_allowance(trial.allowance or _NOTHING, list(totals.values()), model.allowance)
        allowances = dict(zip(totals, shares, strict=True))
    lines: list[Line] = []
    money = _NOTHING
    for name, cell in model.prices.items():
        beyond = max(_NOTHING, EXACT.subtract(totals[name], allowances[name]))
        rated = rate(cell, beyond, recordings=0, currency=currency)
        lines += [line._replace(cell=name) for line in rated.lines]
        if rated.amount != rated.exact:
            rest = EXACT.subtract(rated.amount, rated.exact)
            lines.append(Line("rounded", _NOTHING, rest, cell=name))
        money = EXACT.add(money, rated.amount)
    whole = price.of_the_whole
    if whole is not None:
        rated = rate(whole, money, recordings=0, currency=currency)
        lines += rated.lines[1 if money else 0 :]
        return Preview(amount=rated.amount, exact=rated.exact, currency=currency, breakdown=tuple(lines))
    return Preview(amount=money, exact=money, currency=currency, breakdown=tuple(lines))
