"""Which countries there are, by ISO 3166: the list that comes with the time zones. Pure."""

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def country_codes() -> frozenset[str]:
    """The codes of two capital letters, such as ``DE``; read at the first call."""
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line.partition("\t")[0] for line in table.splitlines() if line and not line.startswith("#"))


def is_country(text: str) -> bool:
    """Whether ``text`` is the code of a country."""
    return text in country_codes()
