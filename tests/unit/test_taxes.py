"""Tax by rules: which category and whose rate, and sums that are rounded once."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.rating.tax.categories import TaxCategory, TaxedParty, TaxUnknown, treat
from usage_billing.rating.tax.ids import is_tax_id
from usage_billing.rating.tax.sums import ItemTax, TaxLine, item_tax, tax_lines, tax_of

GERMAN = TaxedParty(country="DE", tax_id="DE136695976")
SWISS = TaxedParty(country="CH", tax_id="CHE-100.155.212 MWST")


@pytest.mark.parametrize(
    ("seller", "buyer", "category", "found"),
    [
        (GERMAN, TaxedParty(country="DE"), "S", ("S", "DE")),
        (GERMAN, TaxedParty(country="DE"), "AA", ("AA", "DE")),
        (GERMAN, TaxedParty(country="DE", tax_id="no id"), "S", ("S", "DE")),
        (GERMAN, TaxedParty(country="FR"), "S", ("S", "FR")),
        (GERMAN, TaxedParty(country="FR"), "AA", ("AA", "FR")),
        (GERMAN, TaxedParty(country="FR", tax_id="FR40303265045"), "S", ("AE", None)),
        (GERMAN, TaxedParty(country="GR", tax_id="EL094259216"), "AA", ("AE", None)),
        (GERMAN, TaxedParty(country="CH"), "S", ("G", None)),
        (GERMAN, TaxedParty(country="US", tax_id="12-3456789"), "S", ("G", None)),
        (SWISS, TaxedParty(country="CH"), "S", ("S", "CH")),
        (SWISS, TaxedParty(country="FR"), "S", ("S", "FR")),
        (SWISS, TaxedParty(country="US"), "S", ("G", None)),
        (GERMAN, TaxedParty(country=None, exempt=True), "S", ("E", None)),
        (GERMAN, TaxedParty(country="FR", exempt=True), "AA", ("E", None)),
        *((GERMAN, TaxedParty(country=None), name, (name, None)) for name in ("Z", "E", "AE", "G", "O")),
    ],
)
def test_a_sale_is_taxed_by_countries_tax_id_and_category(
    seller: TaxedParty, buyer: TaxedParty, category: str, found: tuple[str, str | None]
) -> None:
    treated = treat(TaxCategory(category), seller=seller, buyer=buyer)
    assert (treated.category, treated.country) == found


@pytest.mark.parametrize(
    ("buyer", "says"),
    [
        (TaxedParty(country=None), "no address"),
        (TaxedParty(country="FR", tax_id="FR40303265046"), "none of FR"),
        (TaxedParty(country="FR", tax_id="DE136695976"), "none of FR"),
    ],
)
def test_what_the_rules_cannot_tell_is_said(buyer: TaxedParty, says: str) -> None:
    with pytest.raises(TaxUnknown, match=says):
        treat(TaxCategory.STANDARD, seller=GERMAN, buyer=buyer)


def test_tax_ids_are_checked_as_their_country_spells_them() -> None:
    assert is_tax_id("DE 136 695 976", country="DE")
    assert not is_tax_id("DE 136 695 977", country="DE")
    assert is_tax_id("ATU13585627", country="AT")
    assert is_tax_id("anything", country="US")


def line_of(amounts: list[str], rate: str, digits: int = 2) -> TaxLine:
    tax = item_tax(TaxCategory.STANDARD, "DE", Decimal(rate))
    (line,) = tax_lines([(tax, Decimal(amount)) for amount in amounts], digits=digits)
    return line


@pytest.mark.parametrize(
    ("amounts", "rate", "digits", "base", "tax"),
    [
        (["0.03", "0.03", "0.03"], "19", 2, "0.09", "0.02"),  # three lines rounded one by one would be 0.03
        (["0.50"], "7", 2, "0.50", "0.04"),  # 0.035
        (["-0.50"], "7", 2, "-0.50", "-0.04"),
        (["488.53"], "19", 2, "488.53", "92.82"),
        (["105"], "10", 0, "105", "11"),
        (["1.234"], "5", 3, "1.234", "0.062"),
        (["100"], "8.375", 2, "100", "8.38"),
        (["5", "-5"], "19", 2, "0", "0"),
    ],
)
def test_a_sum_is_rounded_once_half_up(amounts: list[str], rate: str, digits: int, base: str, tax: str) -> None:
    line = line_of(amounts, rate, digits)
    assert (line.base, line.amount) == (Decimal(base), Decimal(tax))
    assert TaxLine.of(line.kept(digits)) == line


TAXES = [
    item_tax(TaxCategory.STANDARD, "DE", Decimal(19)),
    item_tax(TaxCategory.LOWER, "DE", Decimal(7)),
    item_tax(TaxCategory.STANDARD, "FR", Decimal("5.5")),
    item_tax(TaxCategory.REVERSE, None, Decimal(0)),
]
ITEMS = st.lists(st.tuples(st.sampled_from(TAXES), st.integers(-(10**9), 10**9)), max_size=12)


@given(ITEMS, st.sampled_from([0, 2, 3]))
def test_lines_are_the_sums_of_their_items_and_less_than_half_a_unit_off(
    items: list[tuple[ItemTax, int]], digits: int
) -> None:
    amounts = [(tax, Decimal(units).scaleb(-digits)) for tax, units in items]
    lines = tax_lines(amounts, digits=digits)
    assert lines == tax_lines(reversed(amounts), digits=digits)
    assert len({(line.category, line.country, line.rate) for line in lines}) == len(lines)
    assert sum(line.base for line in lines) == sum(amount for _, amount in amounts)
    for line in lines:
        exact = Fraction(line.base) * Fraction(line.rate) / 100
        off = abs(Fraction(line.amount)) - abs(exact)
        assert -Fraction(1, 2 * 10**digits) < off <= Fraction(1, 2 * 10**digits)
        assert line.amount * line.base >= 0
    assert tax_of(lines) == sum(line.amount for line in lines)
