"""API keys: random, recognised only under the service's secret, never told by what is stored of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.access.keys import hash_key, make_key, prefix_of, same_key
from usage_billing.access.principal import ADMIN, BILLING_RUN, SCOPES, USAGE_READ, USAGE_WRITE, Principal
from usage_billing.core.errors import Forbidden

SECRET = "s" * 32
anything = st.text(max_size=80)


def test_a_key_names_itself_and_hides_32_random_bytes() -> None:
    keys = {make_key() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert re.fullmatch(r"ub_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key)
        assert prefix_of(key, SECRET) == key[:11]


@given(anything, anything)
@examples(100)
def test_only_the_same_key_under_the_same_secret_is_recognised(key: str, other: str) -> None:
    stored = hash_key(key, SECRET)
    assert len(stored) == 32
    assert same_key(key, stored, SECRET)
    assert same_key(other, stored, SECRET) == (key == other)
    assert not same_key(key, stored, SECRET + "x")


@given(anything)
@examples(100)
def test_a_key_that_an_operator_chose_is_listed_by_nothing_of_itself(key: str) -> None:
    prefix = prefix_of(key, SECRET)
    assert re.fullmatch(r"own_[0-9a-f]{8}", prefix)
    assert prefix == prefix_of(key, SECRET)
    assert len(key) < 5 or key not in prefix


@pytest.mark.parametrize("change", [lambda k: k + "\n", lambda k: k[:-1], lambda k: k.upper(), lambda k: " " + k])
def test_what_only_looks_like_a_key_of_ours_is_not_found_by_its_name(change) -> None:  # type: ignore[no-untyped-def]
    key = make_key()
    assert prefix_of(change(key), SECRET) != key[:11]


def test_a_lone_surrogate_is_a_wrong_key_and_no_error() -> None:
    assert not same_key("\ud800", hash_key("x", SECRET), SECRET)


def test_admin_may_everything_and_the_others_what_they_hold() -> None:
    for held in SCOPES:
        principal = Principal(actor="key:x", scopes=frozenset({held}))
        for wanted in SCOPES:
            assert principal.may(wanted) == (held in (wanted, ADMIN))
    with pytest.raises(Forbidden):
        Principal(actor="key:x", scopes=frozenset({USAGE_WRITE, USAGE_READ, BILLING_RUN})).require(ADMIN)


def test_a_user_sees_only_its_own() -> None:
    user = Principal(actor="user:ann", scopes=frozenset({USAGE_READ}), customer_id="ann")
    assert user.may_see("ann")
    assert not user.may_see("bob")
    assert not user.may_see("")
    assert Principal(actor="key:x", scopes=frozenset({USAGE_READ})).may_see("bob")
