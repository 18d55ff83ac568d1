"""Looks at an operator's own template and brand before the first invoice needs them: ``python -m`` this with paths.

In a process of its own, for a worker that has used typst cannot be forked any more.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from usage_billing.brand.reading import VARIABLE as BRAND_VARIABLE
from usage_billing.brand.reading import read_brand
from usage_billing.core.errors import ConfigurationError
from usage_billing.documents.content import Content, Line
from usage_billing.documents.template import TEMPLATE

VARIABLE = "USAGE_BILLING_INVOICE_TEMPLATE"
_SECONDS = 60
_SAMPLE = Content(
    language="en",
    columns=("What", "Quantity", "Unit price", "Tax", "Amount EUR"),
    title="Invoice INV-00000001",
    notice="A sample.",
    seller=("Seller GmbH", "Street 1", "Berlin", "Germany"),
    seller_facts=(("Tax id", "DE136695976"),),
    buyer=("Buyer Ltd", "Road 2", "London", "United Kingdom"),
    facts=(("Date", "1 April 2026"),),
    currency="EUR",
    lines=(Line(what="Calls", quantity="1,234", price="0.1", amount="123.40", tax="19 %"),),
    taxed=True,
    sums=(("Without tax", "123.40"), ("Total", "146.85")),
    due=("Amount due", "146.85"),
    notes=("A note.",),
    closing="A closing.",
    payment=(("Reference", "INV-00000001"),),
    page=("Page", "of"),
    final_at=datetime(2026, 4, 1, tzinfo=UTC),
)


def check_layout(template: Path | None, brand: Path | None) -> None:
    """Make a sample of an invoice by an own template, or ours, with a brand, or ours.

    Raises ConfigurationError with what is wrong, in one line.
    """
    if template is not None and not template.is_file():
        raise ConfigurationError(f"{VARIABLE}: there is no file {template}")
    paths = [str(template or TEMPLATE), *([str(brand)] if brand else [])]
    done = subprocess.run(
        [sys.executable, "-m", "usage_billing.documents.own_template", *paths],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        named = f"{VARIABLE}: {template}" if template else f"{BRAND_VARIABLE}: {brand}"
        raise ConfigurationError(f"{named} makes no invoice: {reason}")


def _main(template: Path, brand: Path | None = None) -> int:
    from usage_billing.documents.pdf import render

    try:
        render(_SAMPLE, template, read_brand(brand))
    except Exception as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*(Path(given) for given in sys.argv[1:])))
