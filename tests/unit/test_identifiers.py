"""What may be a name, a new one, and a key; and that their patterns say the same without look-aheads."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.identifiers import NEW_IDENTIFIER_PATTERN, is_identifier, is_new_identifier, kept_key

EXCLUDED = frozenset(" /?#%\\\"'<>,;&={}")
ALLOWED = "".join(sorted(set(string.printable[:95]) - EXCLUDED))


def test_the_alphabet_is_printable_ascii_without_what_is_read_as_something_else() -> None:
    every = [chr(code) for code in range(0x180)]
    assert "".join(one for one in every if is_identifier(one)) == ALLOWED


@given(st.text(st.sampled_from(ALLOWED), min_size=1, max_size=128))
def test_a_new_name_is_no_dots_and_no_option(text: str) -> None:
    assert is_identifier(text)
    assert is_new_identifier(text) is not (text in {".", ".."} or text.startswith("-"))


@pytest.mark.parametrize("text", ["user+tag@example.com", "auth0|123", "a" * 128, ".a", "..a", "...", "._", "~", "a-"])
def test_names_that_others_give_are_names(text: str) -> None:
    assert is_new_identifier(text)


@pytest.mark.parametrize("text", ["", "a" * 129, ".", "..", "-", "-a", "a b", "a\n", "é", "a/b", "{a}"])
def test_what_can_be_no_new_name(text: str) -> None:
    assert not is_new_identifier(text)
    assert re.fullmatch(NEW_IDENTIFIER_PATTERN, text) is None


@given(st.text(max_size=1100))
def test_a_key_is_kept_within_its_column_and_apart_from_every_other(text: str) -> None:
    kept = kept_key(text)
    if kept is not None:
        assert 1 <= len(kept) <= 128
        assert kept.isascii()
        assert kept_key(text + "x") != kept
