"""Currencies and their minor units, from ISO 4217's own table."""

from functools import lru_cache


@lru_cache(maxsize=512)
def minor_unit(code: str) -> int:
    """Decimal places of ``code``'s minor unit: USD 2, JPY 0, KWD 3. Raises ValueError for no such currency."""
    from iso4217 import Currency  # it reads a table that is not needed to print help

    exponent: int | None = Currency(code).exponent
    if exponent is None:
        raise ValueError(f"{code} has no minor unit")
    return exponent


def is_currency(code: str) -> bool:
    """Whether ``code`` is an ISO 4217 currency that an invoice can be in (gold and the like cannot)."""
    try:
        minor_unit(code)
    except ValueError:
        return False
    return True
