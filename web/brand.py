"""Whose pages these are: a name, where help is, and a line of law."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What stands at the head and the foot of pages; ``support`` is an address, ``legal`` a line, or empty."""

    name: str = "usage-billing"
    support: str = ""
    legal: str = ""


BRAND = Brand()
