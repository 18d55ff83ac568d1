#!/usr/bin/env bash
# A discount of half the price leaves the whole tax
#
# Package:  prices 1.1.1 with babel 2.19.0, Python 3.11
# Expected: `percentage_discount` of a `TaxedMoney` takes its percentage off net and gross, so that the tax goes down as
#           they do: a discount at the time of sale is no part of what is taxed (Council Directive 2006/112/EC, article
#           79). 50 % off 100.00 plus 19.00 is 50.00 plus 9.50.
# Seen:     the percentage is taken of the gross amount, and that sum off both. The tax is 19.00 at 50 % and is all of
#           the price at 90 %; `from_gross=False` takes a sum of the net off both, and what is free costs 19.00.
# Matters:  an invoice states a tax that is not the rate of its net amount, and who states too much owes it all the same
#           (article 203). The gross amount is right, so the customer pays what was agreed, and nobody looks.
# Instead:  take the discount off one `Money`, and add the tax afterwards with `flat_tax`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "prices==1.1.1" "babel==2.19.0"

cat >"$folder/expected" <<'OUTPUT'
100.00 + 19.00 (19 %) = 119.00
 10 % off the gross:      88.10 + 19.00 (22 %) = 107.10
 50 % off the gross:      40.50 + 19.00 (47 %) = 59.50
 90 % off the gross:      0.00 + 11.90 = 11.90
100 % off the net:        0.00 + 19.00 = 19.00
 50 %, then the tax:      50.00 + 9.50 (19 %) = 59.50
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from decimal import Decimal

from prices import Money, flat_tax, percentage_discount

VAT = Decimal("0.19")


def shown(price):
    net, tax, gross = (money.amount for money in (price.net, price.tax, price.gross))
    rate = f" ({tax / net:.0%})".replace("%", " %") if net else ""
    return f"{net:.2f} + {tax:.2f}{rate} = {gross:.2f}"


net = Money("100.00", "EUR")
price = flat_tax(net, VAT)
print(shown(price))
for percentage in (10, 50, 90):
    print(f"{percentage:3} % off the gross:     ", shown(percentage_discount(price, percentage)))
print("100 % off the net:       ", shown(percentage_discount(price, 100, from_gross=False)))
print(" 50 %, then the tax:     ", shown(flat_tax(percentage_discount(net, 50), VAT)))
PYTHON

diff "$folder/expected" "$folder/seen"
