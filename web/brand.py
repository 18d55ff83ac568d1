"""The brand on pages: its colours as a stylesheet of its own, its logo as a file."""

from usage_billing.brand.colours import Palette
from usage_billing.brand.identity import Brand, Logo

STYLESHEET = "brand.css"
_HEAD = 24
"""The height of a logo at the head of a page, in CSS pixels."""


def brand_files(brand: Brand) -> dict[str, bytes]:
    """The files that pages load beside ours, by name; none of a brand that is ours."""
    found = {}
    if brand.logo is not None:
        found[logo_name(brand.logo)] = brand.logo.content
    rules = [
        _rules(brand.light, "@media (prefers-color-scheme: light)"),
        _rules(brand.dark, "@media (prefers-color-scheme: dark)"),
    ]
    if any(rules):
        found[STYLESHEET] = "".join(rules).encode()
    return found


def logo_name(logo: Logo) -> str:
    """The name of the file of a logo."""
    return f"logo.{logo.kind}"


def logo_size(logo: Logo) -> tuple[int, int]:
    """Width and height at the head of a page."""
    return logo.width_at(_HEAD), _HEAD


def _rules(palette: Palette | None, when: str) -> str:
    if palette is None:
        return ""
    named = {
        "accent": palette.accent,
        "accent-2": palette.accent_2,
        "accent-weak": palette.accent_weak,
        "on-accent": palette.on_accent,
    }
    return f"{when} {{ :root {{ {' '.join(f'--{name}: {value};' for name, value in named.items())} }} }}\n"
