"""A token of a stream is read back as it was made, and holds for its key, its time and its secret alone."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from usage_billing.access.stream_tokens import HOLDS, make_stream_token, read_stream_token
from usage_billing.redaction import redact

NOW = datetime(2026, 11, 30, 12, 0, 0, 5, tzinfo=UTC)
HASH, SECRET = sha256(b"key").digest(), "a-secret-for-tests"
TOKEN = make_stream_token("ub_abcdefgh", HASH, secret=SECRET, now=NOW)


def test_it_is_read_back() -> None:
    found = read_stream_token(TOKEN.text)
    assert found == TOKEN
    assert found.expires_at == NOW.replace(microsecond=0) + HOLDS
    assert found.is_signed(HASH, SECRET)
    assert not found.is_signed(sha256(b"another").digest(), SECRET)
    assert not found.is_signed(HASH, "another")


def test_no_part_of_it_can_be_changed() -> None:
    _, expires, nonce, signature, prefix = TOKEN.text.split("-")
    later = f"{int(expires, 16) + 1:x}"
    turned = signature[::-1] if signature != signature[::-1] else "0" * 64
    for parts in ((later, nonce, signature, prefix), (expires, nonce[::-1], signature, prefix),
                  (expires, nonce, turned, prefix), (expires, nonce, signature, "ub_abcdefgi")):  # fmt: skip
        found = read_stream_token("-".join(("ubs", *parts)))
        assert found is None or not found.is_signed(HASH, SECRET), parts


@pytest.mark.parametrize("text", ["", "ubs-", "ub_abcdefgh_x", TOKEN.text + "\n", f"ubs-{'f' * 12}{TOKEN.text[12:]}"])
def test_other_texts_are_none(text: str) -> None:
    assert read_stream_token(text) is None


def test_two_are_never_alike() -> None:
    assert make_stream_token("ub_abcdefgh", HASH, secret=SECRET, now=NOW).text != TOKEN.text


def test_it_is_taken_out_of_logs() -> None:
    assert TOKEN.signature not in redact(f"sent {TOKEN.text} to the stream")
