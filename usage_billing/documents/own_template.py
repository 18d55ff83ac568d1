"""Looks at an operator's own template before the first invoice needs it: ``python -m`` this with its path.

In a process of its own, for a worker that has used typst cannot be forked any more.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from usage_billing.core.errors import ConfigurationError
from usage_billing.documents.content import Content, Line

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


def check_template(template: Path) -> None:
    """Make a sample of an invoice by an own template; raises ConfigurationError with what is wrong, in one line."""
    if not template.is_file():
        raise ConfigurationError(f"{VARIABLE}: there is no file {template}")
    done = subprocess.run(
        [sys.executable, "-m", "usage_billing.documents.own_template", str(template)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        raise ConfigurationError(f"{VARIABLE}: {template} makes no invoice: {reason}")


def _main(template: Path) -> int:
    from usage_billing.documents.pdf import render

    try:
        render(_SAMPLE, template)
    except Exception as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
