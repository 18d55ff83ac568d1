"""What a brand is. Pure."""

from dataclasses import dataclass

from usage_billing.brand.colours import Palette

_WORDMARK = 2
# What most screens show sharply, beside one line of text; and what fits above an address.
_MOST_WIDTHS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture that was looked at: an SVG (``svg``) or a PNG (``png``), and how large it says that it is."""

    kind: str
    content: bytes
    width: int
    height: int

    def width_at(self, height: int) -> int:
        """How wide it is when it is ``height`` high: one unit at least, and six times the height at most."""
        return max(1, min(self.width * height // self.height, height * _MOST_WIDTHS))

    @property
    def says_the_name(self) -> bool:
        """Whether it stands alone: what is wider than twice its height is taken for the name, written."""
        return self.width > self.height * _WORDMARK


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What stands at the head and the foot of pages and documents; each but ``name`` may be empty.

    ``light`` and ``dark`` are None where our own colours hold. ``support`` is an address, ``legal`` a line. ``notes``
    are lines for the operator, about what of the file is not used.
    """

    name: str = "usage-billing"
    logo: Logo | None = None
    light: Palette | None = None
    dark: Palette | None = None
    support: str = ""
    legal: str = ""
    notes: tuple[str, ...] = ()


OURS = Brand()
"""The brand of a service that was given none."""
