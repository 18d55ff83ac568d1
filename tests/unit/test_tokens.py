"""Tokens hold only by the algorithm, key, audience, issuer and time that our settings say."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from api import create_app
from tests.support.properties import examples
from usage_billing.access.principal import ADMIN, USAGE_READ, Principal
from usage_billing.access.tokens import TokenRules, check_public_key, looks_like_token, verify_token
from usage_billing.core.errors import ConfigurationError, NotAuthenticated
from usage_billing.settings import Settings

SECRET = "a-token-secret-of-more-than-32-characters"


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
KEYS = {"RS256": RSA, "ES256": CURVE, "EdDSA": EDWARDS}


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that hold; a change to None leaves one out."""
    given = {"sub": "user123", "aud": "usage-billing", "iss": "here", "exp": int(time.time()) + 60} | changes
    return {name: value for name, value in given.items() if value is not None}


def verify(token: str, *, secret: str = SECRET, public_key: str = "", **more: Any) -> Principal:
    rules = TokenRules(secret=secret, public_key=public_key, audience="usage-billing", issuer="here", **more)
    return verify_token(token, rules)


def part(value: object) -> str:
    """One part of a token, made by hand."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: object, payload: object, key: bytes | None) -> str:
    """A token that no library would make, signed with HMAC-SHA-256 unless ``key`` is None."""
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), sha256)) if key is not None else ''}"


def test_a_user_reads_its_own_usage() -> None:
    principal = verify(jwt.encode(claims(), SECRET, algorithm="HS256"))
    assert principal == Principal(actor="user:user123", scopes=frozenset({USAGE_READ}), customer_id="user123")


def test_the_role_admin_may_what_admins_do() -> None:
    principal = verify(jwt.encode(claims(role="admin"), SECRET, algorithm="HS256"))
    assert principal == Principal(actor="user:user123", scopes=frozenset({ADMIN}))


def test_another_claim_may_say_the_role() -> None:
    rules = {"role_claim": "https://example.com/role"}
    named = jwt.encode(claims(**{"https://example.com/role": "admin"}), SECRET, algorithm="HS256")
    assert verify(named, **rules).may(ADMIN)
    assert not verify(named).may(ADMIN)
    assert not verify(jwt.encode(claims(role="admin"), SECRET, algorithm="HS256"), **rules).may(ADMIN)


def test_no_token_makes_an_administrator_where_none_may() -> None:
    principal = verify(jwt.encode(claims(role="admin"), SECRET, algorithm="HS256"), admins=False)
    assert (principal.may(ADMIN), principal.customer_id) == (False, "user123")


@pytest.mark.parametrize(
    ("seconds", "issued", "holds"),
    [
        (3600, None, True),
        (3700, None, False),
        (1800, -1800, True),
        (60, -3700, False),
        (10**9, None, False),
        (10**9, 0, False),
    ],
)
def test_a_token_holds_for_so_long_at_most(seconds: int, issued: int | None, holds: bool) -> None:
    now = int(time.time())
    said = claims(exp=now + seconds, iat=None if issued is None else now + issued)
    token = jwt.encode(said, SECRET, algorithm="HS256")
    if holds:
        assert verify(token, max_seconds=3600).customer_id == "user123"
        return
    with pytest.raises(NotAuthenticated, match="longer than a token may") as caught:
        verify(token, max_seconds=3600)
    assert caught.value.code == "token_invalid"


@pytest.mark.parametrize("role", ["Admin", "user", ["admin"], {"admin": True}, True, 1, "admin "])
def test_nothing_but_the_role_admin_makes_an_admin(role: object) -> None:
    assert verify(jwt.encode(claims(role=role), SECRET, algorithm="HS256")).customer_id == "user123"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"aud": None},
        {"iss": None},
        {"sub": None},
        {"aud": "somebody-else"},
        {"aud": ["somebody", "else"]},
        {"aud": ""},
        {"aud": []},
        {"iss": "elsewhere"},
        {"iss": ""},
        {"exp": "tomorrow"},
        {"exp": []},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"nbf": 2**40},
        {"nbf": float("inf")},
        {"iat": 2**40},
        {"iat": float("inf")},
        {"iat": {}},
        {"sub": ""},
        {"sub": "two words"},
        {"sub": "a" * 129},
        {"sub": "ann\x00"},
        {"sub": 7},
        {"sub": ["user123"]},
    ],
    ids=repr,
)
def test_a_claim_that_is_wrong_or_missing_is_refused(changes: dict[str, Any]) -> None:
    token = by_hand({"alg": "HS256", "typ": "JWT"}, claims(**changes), SECRET.encode())
    with pytest.raises(NotAuthenticated) as caught:
        verify(token)
    assert caught.value.code == "token_invalid"
    assert token not in str(caught.value)


def test_an_expired_token_is_refused_and_told_so() -> None:
    with pytest.raises(NotAuthenticated) as caught:
        verify(jwt.encode(claims(exp=int(time.time()) - 60), SECRET, algorithm="HS256"))
    assert caught.value.code == "token_expired"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, [], ["HS256"], 7])
def test_an_unsigned_token_is_refused_however_it_spells_none(alg: object) -> None:
    for key in (None, b"", SECRET.encode()):
        if alg == "HS256" and key:
            continue
        with pytest.raises(NotAuthenticated):
            verify(by_hand({"alg": alg, "typ": "JWT"}, claims(), key))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_header_does_not_choose_the_algorithm(algorithm: str) -> None:
    with pytest.raises(NotAuthenticated):
        verify(jwt.encode(claims(), SECRET * 2, algorithm=algorithm), secret=SECRET * 2)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_signed_by_the_configured_kind_of_key_holds(algorithm: str) -> None:
    token = jwt.encode(claims(), KEYS[algorithm], algorithm=algorithm)
    assert verify(token, secret="", public_key=pem(KEYS[algorithm])).customer_id == "user123"


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_public_key_is_no_shared_secret(algorithm: str) -> None:
    text = pem(KEYS[algorithm])
    for key in (text, text.strip(), text.replace("\n", "")):
        token = by_hand({"alg": "HS256", "typ": "JWT"}, claims(), key.encode())
        with pytest.raises(NotAuthenticated):
            verify(token, secret="", public_key=text)
        with pytest.raises(NotAuthenticated):
            verify(token, secret=SECRET, public_key=text)


@pytest.mark.parametrize("signer", KEYS)
@pytest.mark.parametrize("configured", KEYS)
def test_another_kind_of_key_is_refused(signer: str, configured: str) -> None:
    other = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }[signer]
    with pytest.raises(NotAuthenticated):
        verify(jwt.encode(claims(), other, algorithm=signer), public_key=pem(KEYS[configured]))


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    attacker = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(attacker.public_key()))
    for header in ({"jwk": jwk}, {"jku": "http://127.0.0.1/keys"}, {"x5u": "http://127.0.0.1/"}, {"kid": "../../x"}):
        token = jwt.encode(claims(), attacker, algorithm="RS256", headers=header)
        with pytest.raises(NotAuthenticated):
            verify(token, public_key=pem(RSA))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pem(ec.generate_private_key(ec.SECP384R1())),
        lambda: pem(ec.generate_private_key(ec.SECP256K1())),
        lambda: pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        lambda: "no pem at all",
        lambda: RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ],
    ids=["P-384", "secp256k1", "RSA-1024", "text", "private key"],
)
def test_a_key_that_no_token_could_be_checked_with_is_named_when_the_service_starts(make: Callable[[], str]) -> None:
    with pytest.raises(ConfigurationError):
        check_public_key(make())


def test_the_api_does_not_start_with_a_wrong_public_key() -> None:
    with pytest.raises(ConfigurationError):
        create_app(Settings(jwt_public_key="no pem at all", redis_url="redis://127.0.0.1:1/0"))


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_good_public_key_is_accepted_at_the_start(algorithm: str) -> None:
    check_public_key(pem(KEYS[algorithm]))
    check_public_key("")


def test_without_a_secret_or_a_key_no_token_holds() -> None:
    with pytest.raises(NotAuthenticated) as caught:
        verify(by_hand({"alg": "HS256"}, claims(), b""), secret="")
    assert caught.value.code == "tokens_not_configured"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
headers = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "none", "RS256"]) | json_values},
    optional=dict.fromkeys(("typ", "kid", "crit", "b64", "cty", "zip", "jwk"), json_values),
)


@given(headers | json_values | st.binary(max_size=40), json_values | st.binary(max_size=40), st.binary(max_size=40))
@examples(150)
def test_whatever_is_sent_as_a_token_is_refused_and_never_an_error(header: object, payload: object, end: bytes) -> None:
    for key in ("", pem(RSA)):
        with pytest.raises(NotAuthenticated):
            verify(f"{part(header)}.{part(payload)}.{part(end)}", public_key=key)


@given(json_values | st.dictionaries(st.sampled_from(["sub", "aud", "iss", "exp", "nbf", "iat", "jti"]), json_values))
@examples(100)
def test_whatever_is_claimed_under_our_signature_is_judged_and_never_an_error(payload: object) -> None:
    with pytest.raises(NotAuthenticated):
        verify(by_hand({"alg": "HS256", "typ": "JWT"}, payload, SECRET.encode()))


@pytest.mark.parametrize("nested", ['{"a":' * 5000 + "1" + "}" * 5000, "[" * 100_000, "9" * 5000])
def test_json_that_breaks_parsers_is_refused(nested: str) -> None:
    raw = nested.encode()
    for token in (f"{part(raw)}.{part(claims())}.x", by_hand({"alg": "HS256"}, raw, SECRET.encode())):
        with pytest.raises(NotAuthenticated):
            verify(token)


@pytest.mark.parametrize(
    ("text", "is_token"),
    [("a.b.c", True), ("a.b.", True), ("ub_abcdefgh_x", False), ("a.b", False), ("a.b.c\n", False)],
)
def test_a_token_is_told_from_a_key_by_its_three_parts(text: str, is_token: bool) -> None:
    assert looks_like_token(text) == is_token
