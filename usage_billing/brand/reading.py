"""Reads the file of a brand. What is wrong with it stops the start, in one line that names the variable."""

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from usage_billing.brand.colours import DARK, LEAST, LIGHT, Palette, Scheme, is_colour, least_contrast, palette_of
from usage_billing.brand.identity import OURS, Brand, Logo
from usage_billing.brand.png import read_png
from usage_billing.brand.svg import MOST_BYTES, read_svg
from usage_billing.core.errors import ConfigurationError

VARIABLE = "USAGE_BILLING_BRAND"
_FIELDS = {"name": 100, "logo": 1000, "accent": 7, "accent_dark": 7, "support": 2000, "legal": 300}
"""Each field, and how many characters it has at most."""

_LOGOS = {".svg": read_svg, ".png": read_png}


def read_brand(path: Path | None) -> Brand:
    """The brand in a TOML file; ours without one. Raises ConfigurationError."""
    if path is None:
        return OURS
    given = _fields(path)
    if not given.get("name"):
        raise _wrong(path, "it needs a name")
    light, on_light = _palette(path, given, "accent", LIGHT)
    dark, on_dark = _palette(path, given, "accent_dark", DARK)
    return Brand(
        name=given["name"],
        logo=_logo(path, given["logo"]) if given.get("logo") else None,
        light=light,
        dark=dark,
        support=_support(path, given.get("support", "")),
        legal=given.get("legal", ""),
        notes=on_light + on_dark,
    )


def _fields(path: Path) -> dict[str, str]:
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"it cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"it is no TOML: {error}") from None
    for name, value in found.items():
        if name not in _FIELDS:
            raise _wrong(path, f"it has {name[:40]!r}, and may have {', '.join(_FIELDS)}")
        if not isinstance(value, str) or len(value) > _FIELDS[name] or not value.strip():
            raise _wrong(path, f"{name} must be a text of 1 to {_FIELDS[name]} characters")
        if not value.isprintable():
            raise _wrong(path, f"{name} must be one line, without control characters")
    return {name: value.strip() for name, value in found.items()}


def _logo(path: Path, name: str) -> Logo:
    """The logo, beside the file of the brand unless its path is absolute."""
    file = path.parent / name
    read = _LOGOS.get(file.suffix.lower())
    if read is None:
        raise _wrong(path, "logo must be a file that ends in .svg or .png")
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _wrong(path, f"its logo cannot be read: {file}: {reason}") from None
    if len(content) > MOST_BYTES:
        raise _wrong(path, f"its logo must have 64 kB at most: {file}")
    try:
        return read(content)
    except ValueError as error:
        raise _wrong(path, f"its logo {file.name} cannot be used: {error}") from None


def _palette(path: Path, given: dict[str, str], name: str, scheme: Scheme) -> tuple[Palette | None, tuple[str, ...]]:
    """The colours of a scheme, and a line for the operator where theirs is not used."""
    colour = given.get(name)
    if colour is None:
        return None, ()
    if not is_colour(colour):
        raise _wrong(path, f"{name} must be a colour such as #0b6674, not {colour!r}")
    found = palette_of(colour, scheme)
    if found is not None:
        return found, ()
    least = f"{least_contrast(colour, scheme):.2f}"
    note = f"{VARIABLE}: {name} {colour} has a contrast of {least}:1 on {scheme.name} pages, and {LEAST}:1 is needed"
    return None, (f"{note}: our own colour is used",)


def _support(path: Path, address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    right = (parts.scheme in {"http", "https"} and parts.netloc) or (parts.scheme == "mailto" and "@" in parts.path)
    if address and (not right or " " in address):
        raise _wrong(path, "support must be an address such as https://example.com/help or mailto:help@example.com")
    return address


def _wrong(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"{VARIABLE}: {path}: {' '.join(what.split())}")
