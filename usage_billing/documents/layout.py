"""How documents look: by which template they are laid out, and whose brand they have."""

from dataclasses import dataclass
from pathlib import Path

from usage_billing.brand.identity import OURS, Brand
from usage_billing.brand.reading import read_brand
from usage_billing.documents.own_template import check_layout
from usage_billing.documents.template import TEMPLATE
from usage_billing.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A typst file, and a brand."""

    template: Path = TEMPLATE
    brand: Brand = OURS


OUR_LAYOUT = Layout()
"""That of a service that was given neither."""


def layout_of(settings: Settings) -> Layout:
    """The layout that the settings name, once a sample of an invoice was made by it.

    Raises ConfigurationError with what is wrong, in one line.
    """
    brand = read_brand(settings.brand_file)
    if settings.own_template is not None or brand.logo is not None:
        check_layout(settings.own_template, settings.brand_file)
    return Layout(template=settings.own_template or TEMPLATE, brand=brand)
