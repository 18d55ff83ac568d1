"""Which addresses are called, how deliveries are signed, and when they are tried again."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.errors import InvalidInput
from usage_billing.webhooks.addresses import judge, read_url
from usage_billing.webhooks.judging import judged
from usage_billing.webhooks.retries import LADDER, asked_to_wait, is_given_up, next_try
from usage_billing.webhooks.sharing import is_worth_a_thread
from usage_billing.webhooks.signing import headers_of, is_secret, make_secret, signature

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
PUBLIC = "93.184.215.14"

NEVER = (
    "file:///etc/passwd", "ftp://example.com/", "gopher://example.com", "javascript:alert(1)", "//example.com", "x", "",
    "https://", "https:///x", "https://user@example.com/", "https://user:word@example.com/", "https://:@example.com",
    "https://example.com/#part", "https://example.com:25/", "https://example.com:0/", "https://example.com:99999/",
    "https://example.com:443x/", "https://exa mple.com/", "https://example.com\\@evil.example/", "https://ex\nample.com/",
    "https://example.com/\x00", "https://ex。ample.com/", "https://bücher.example/", "https://[fe80::1%25eth0]/",
    "https://[::1", "https://exam_ple..com/", "https://" + "a" * 2100,
)  # fmt: skip
PRIVATE = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254", "172.16.0.1", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:0a00:0001::1", "2001::1", "2001:db8::1", "fe80::1", "fec0::1", "fc00::1",
    "fd12:3456::1", "ff02::1", "100::1", "3fff::1", "4000::1", "5f00::1",
)  # fmt: skip
GLOBAL = ("93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:0808:0808::1")


@pytest.mark.parametrize("url", NEVER)
def test_a_url_of_these_is_never_called(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        judged(url, allowed=(ip_network("0.0.0.0/0"), ip_network("::/0")), resolve=lambda *_: [PUBLIC])
    assert [(field.pointer, field.code) for field in caught.value.fields] == [("/url", "address_refused")]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_called_unless_an_operator_opened_it(address: str) -> None:
    target = read_url("https://example.com/hooks")
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        with pytest.raises(InvalidInput):
            judge(target, addresses, allowed=())
    opened = ip_network(address + ("/128" if ":" in address else "/32"))
    assert judge(target, [address], allowed=(opened,)) == address
    assert judge(read_url("http://example.com:8000/x"), [address], allowed=(opened,)) == address


@pytest.mark.parametrize("address", GLOBAL)
def test_a_public_address_is_called_by_https_alone(address: str) -> None:
    assert judge(read_url("https://example.com:8443/hooks?a=1"), [address], allowed=()) == address
    with pytest.raises(InvalidInput):
        judge(read_url("http://example.com/hooks"), [address], allowed=())


@pytest.mark.parametrize(
    "url", ["http://0x7f000001:9000/", "https://127.1/", "https://2130706433/", "https://localhost/"]
)
def test_a_number_in_any_spelling_is_the_address_that_it_is(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        judged(url, allowed=())
    assert caught.value.fields[0].code == "address_refused"


def test_a_target_keeps_what_is_sent() -> None:
    target = read_url("https://Example.com:8443/a/b?c=d")
    assert (target.host, target.port, target.path, target.authority) == (
        "example.com",
        8443,
        "/a/b?c=d",
        "example.com:8443",
    )
    assert read_url("https://[2606:4700::1111]").authority == "[2606:4700::1111]"


# --- signing ---------------------------------------------------------------------------------------------------


def test_the_example_of_the_standard() -> None:
    """From the specification's own test vector."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    found = signature(secret, id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.binary(min_size=1), place=st.integers(min_value=0))
def test_a_byte_that_is_changed_makes_another_signature(body: bytes, place: int) -> None:
    secret = make_secret()
    changed = bytearray(body)
    changed[place % len(body)] ^= 1
    of = {"id": "evt_1", "timestamp": 1}
    assert signature(secret, body=body, **of) != signature(secret, body=bytes(changed), **of)  # type: ignore[arg-type]
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    expected = base64.b64encode(hmac.new(key, b"evt_1.1." + body, sha256).digest()).decode()
    assert signature(secret, body=body, **of) == f"v1,{expected}"  # type: ignore[arg-type]


def test_the_headers_have_whole_seconds_and_one_blank_between_signatures() -> None:
    found = headers_of([make_secret(), make_secret()], id="evt_1", at=NOW + timedelta(microseconds=999_999), body=b"{}")
    assert found["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert [one[:3] for one in found["webhook-signature"].split(" ")] == ["v1,", "v1,"]


@pytest.mark.parametrize("text", ["whsec_", "whsec_AAAA", "A" * 44, "whsec_" + "-" * 44])
def test_a_weak_or_unreadable_secret_is_none(text: str) -> None:
    assert not is_secret(text)
    assert is_secret(make_secret())


# --- when again ------------------------------------------------------------------------------------------------


def test_ten_tries_take_75_hours_and_35_minutes() -> None:
    at, tries = NOW, 1
    while (then := next_try(tries, jitter=100, now=at)) is not None:
        at, tries = then, tries + 1
    assert (tries, at - NOW) == (10, timedelta(hours=75, minutes=35, seconds=5))


@given(tries=st.integers(1, 9), jitter=st.integers(80, 120), wait=st.none() | st.integers(0, 10**6))
def test_a_try_is_moved_by_a_fifth_at_most_and_waits_as_long_as_it_is_asked_to(
    tries: int, jitter: int, wait: int | None
) -> None:
    asked = None if wait is None else timedelta(seconds=wait)
    found = next_try(tries, jitter=jitter, now=NOW, wait=asked)
    assert found is not None
    least = max(LADDER[tries] * 8 / 10, min(asked or timedelta(0), timedelta(days=1)))
    assert least <= found - NOW <= max(LADDER[tries] * 12 / 10, least)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 7 ", 7), ("0", 0), ("999999999999", 86_400), ("Tue, 01 Dec 2026 12:01:00 GMT", 60), ("", None),
     ("Tue, 01 Dec 2026 11:00:00 GMT", 0), (None, None), ("soon", None), ("-5", None), ("\u0667", None), ("1.5", None)],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert asked_to_wait(header, now=NOW) == expected


def test_an_endpoint_is_given_up_by_evidence() -> None:
    days = timedelta(days=5)
    assert is_given_up(failing_since=NOW - days, failed_tries=10, now=NOW)
    assert not is_given_up(failing_since=NOW - days, failed_tries=9, now=NOW)
    assert not is_given_up(failing_since=NOW - days + timedelta(seconds=1), failed_tries=10**6, now=NOW)


@pytest.mark.parametrize(
    ("waiting", "moving", "is_quick", "worth"),
    [
        (0, 0, True, False),
        (1, 0, True, True),
        (8, 1, True, False),
        (9, 1, True, True),
        (1, 1, False, True),
        (0, 0, False, False),
    ],
)
def test_a_quick_endpoint_gets_a_thread_for_each_eight_that_wait(
    waiting: int, moving: int, is_quick: bool, worth: bool
) -> None:
    assert is_worth_a_thread(waiting, moving=moving, is_quick=is_quick) is worth
