"""Wake-ups in the background: tried twice, then left to the sweep; no request ever waits for them."""

from api.waker import Waker


def test_a_dead_connection_costs_a_second_try_and_no_wake_up() -> None:
    sent: list[tuple[str, object]] = []
    failures = [ConnectionResetError()]

    def send(task: str, argument: object) -> None:
        if failures:
            raise failures.pop()
        sent.append((task, argument))

    waker = Waker(send)
    waker.wake("usage.drain", 1)
    waker.wake("usage.drain", 2)
    assert waker.flush(5)
    assert sent == [("usage.drain", 1), ("usage.drain", 2)]


def test_what_cannot_be_sent_is_given_up_after_two_tries_and_the_next_is_sent() -> None:
    tried: list[object] = []

    def send(_task: str, argument: object) -> None:
        tried.append(argument)
        if argument == 1:
            raise ConnectionResetError

    waker = Waker(send)
    waker.wake("usage.drain", 1)
    waker.wake("usage.drain", 2)
    assert waker.flush(5)
    assert tried == [1, 1, 2]
