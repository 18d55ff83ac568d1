"""What one endpoint answers, or what fails on the way to it, costs no other endpoint its tries."""

import pytest

from tests.support.books import rows
from tests.support.receivers import Receiver, raw, receiving
from tests.webhooks.conftest import World
from usage_billing.webhooks.sending import Exchange

_FAR = b"Retry-After: Mon, 01 Jan 2024 00:00:00 +99999999999999999999"
BAD = {
    "a NUL in place of a status line": b"\x00\x00garbage\r\n\r\n",
    "a NUL in the status": b"HTTP/1.1 2\x00 X\r\n\r\n",
    "a NUL in a chunk": b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\x00zz\r\n",
    "a date of an impossible zone": b"HTTP/1.1 429 X\r\n" + _FAR + b"\r\nContent-Length: 0\r\n\r\n",
    "a year of many digits": b"HTTP/1.1 503 X\r\nRetry-After: Mon, 01 Jan "
    + b"9" * 30
    + b" 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_an_answer_that_cannot_be_read_is_a_failed_try_and_no_more(world: World, receiver: Receiver, kind: str) -> None:
    with receiving() as bad:
        bad.answer = raw(BAD[kind])
        world.endpoint(bad, "bad")
        world.endpoint(receiver, "good")
        world.tell("ann")
        assert world.send() == 2
    assert (world.states("bad"), world.states("good")) == ([("waiting", 1)], [("sent", 1)])
    assert len(rows(world.engine, "SELECT FROM webhook_attempts")) == 2


def test_a_fault_of_our_own_is_a_failed_try_of_that_endpoint(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as other:
        world.endpoint(other, "bad")
        world.endpoint(receiver, "good")
        world.tell("ann")
        real = Exchange.post

        def post(self: Exchange, url: str, *args: object, **more: object) -> object:
            if url == other.url:
                raise KeyError(url)
            return real(self, url, *args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Exchange, "post", post)
        assert world.send() == 2
    assert (world.states("bad"), world.states("good")) == ([("waiting", 1)], [("sent", 1)])
    (error,) = [one.error for one in rows(world.engine, "SELECT error FROM webhook_attempts") if one.error]
    assert error == "KeyError"
