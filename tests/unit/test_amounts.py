"""What the OpenAPI document says of a decimal in a text, and what is read, are the same."""

import re
from decimal import Decimal

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.numbers import Amount
from tests.support.properties import examples
from usage_billing.core.decimals import MAX_QUANTITY

AMOUNTS = [
    Amount(positive=positive, maximum=maximum, places=places)
    for positive in (False, True)
    for maximum, places in ((MAX_QUANTITY, 12), (Decimal(100), 4))
]
amounts = st.sampled_from(AMOUNTS)
_digits = st.text("0159", max_size=17)
# Near to a decimal: every part of one may be there or not, and be too long, or of other digits.
texts = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "-", "+", " "]),
        _digits,
        st.one_of(st.just(""), st.text("05", max_size=15).map(".{}".format)),
        st.one_of(
            st.just(""), st.builds("{}{}{}".format, *map(st.sampled_from, ("eE", ["", "+", "-"], ("3", "07", ""))))
        ),
    ),
)


def is_read(amount: Amount, text: str) -> bool:
    """Whether a request may have this text there."""
    try:
        amount.deserialize(text)
    except ma.ValidationError:
        return False
    return True


def is_promised(amount: Amount, text: str) -> bool:
    """Whether the document allows it."""
    return re.search(amount.openapi["pattern"], text) is not None


@given(amounts, texts)
@examples(500)
def test_a_text_is_read_where_the_document_allows_it(amount: Amount, text: str) -> None:
    if "e" not in text.lower():
        assert is_read(amount, text) == is_promised(amount, text)
    elif is_read(amount, text):
        assert is_promised(amount, text)


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("text", ["1e1", "1E-4", "2.50e+1", "0.5e02", "100", "100.00", "0.10", "1.00000000000000"])
def test_these_are_the_same_number_in_other_words(amount: Amount, text: str) -> None:
    assert is_promised(amount, text)
    assert amount.deserialize(text) == Decimal(text)


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize(("text", "promised"), [("1e99", True), ("1e-99", True), ("1e1000", False), ("1e", False)])
def test_what_an_exponent_makes_too_large_or_too_fine_is_refused(amount: Amount, text: str, promised: bool) -> None:
    assert is_promised(amount, text) == promised
    assert not is_read(amount, text)
