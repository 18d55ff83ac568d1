"""The colours of a brand: one is given for each scheme, and those beside it are made of it. Pure.

Contrast is as WCAG 2.2 reckons it, from 1 to 21.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

LEAST = Decimal("4.5")
"""The contrast of text."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LIGHTS = (Decimal("0.2126"), Decimal("0.7152"), Decimal("0.0722"))
_STEPS = 10

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a colour stands on: the three grounds of a page, its ink, and the two colours of text on a button."""

    name: str
    grounds: tuple[str, ...]
    ink: str
    on: tuple[str, ...]


LIGHT = Scheme(name="light", grounds=("#ffffff", "#f6f8f8", "#eef2f2"), ink="#12191b", on=("#ffffff", "#12191b"))
DARK = Scheme(name="dark", grounds=("#141a1c", "#0d1214", "#1c2427"), ink="#e9eeef", on=("#04252b", "#ffffff"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of a scheme, such as ``#0b6674``: as ``web/static/style.css`` names them."""

    accent: str
    accent_2: str
    accent_weak: str
    on_accent: str


def is_colour(text: str) -> bool:
    """Whether ``text`` is a colour such as ``#0b6674``."""
    return _COLOUR.fullmatch(text) is not None


def contrast(one: str, other: str) -> Decimal:
    """The contrast of two colours."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    offset = Decimal("0.05")
    return (lighter + offset) / (darker + offset)


def least_contrast(colour: str, scheme: Scheme) -> Decimal:
    """The contrast of a colour on the ground on which it is seen worst."""
    return min(contrast(colour, ground) for ground in scheme.grounds)


def palette_of(colour: str, scheme: Scheme) -> Palette | None:
    """The colours that go with ``colour``; None where it cannot be read on a page, or text cannot be read on it."""
    accent = colour.lower()
    on = max(scheme.on, key=lambda text: contrast(text, accent))
    if least_contrast(accent, scheme) < LEAST or contrast(on, accent) < LEAST:
        return None
    weak = _mixed(accent, scheme.grounds[0], parts=1)
    shades = (_mixed(accent, scheme.ink, parts=_STEPS - step) for step in range(3, _STEPS + 1))
    second = next(shade for shade in shades if contrast(shade, weak) >= LEAST)
    return Palette(accent=accent, accent_2=second, accent_weak=weak, on_accent=on)


def _mixed(one: str, other: str, *, parts: int) -> str:
    """``parts`` tenths of the first colour, and the rest of the other."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{(first * parts + second * (_STEPS - parts)) // _STEPS:02x}" for first, second in pairs)


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> Decimal:
    return sum((light * _linear(part) for light, part in zip(_LIGHTS, _rgb(colour), strict=True)), Decimal(0))


def _linear(part: int) -> Decimal:
    share = Decimal(part) / 255
    if share <= Decimal("0.04045"):
        return share / Decimal("12.92")
    return ((share + Decimal("0.055")) / Decimal("1.055")) ** Decimal("2.4")
