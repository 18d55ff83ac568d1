"""A client that takes an answer fast enough is never behind, however long the answer; one that does not soon is."""

from collections.abc import Iterator

import pytest

from api.taking import BYTES_A_SECOND, Taking


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Answer:
    """Pieces of one second at the least speed, each of which takes the application some seconds."""

    def __init__(self, clock: Clock, *, pieces: int, makes_for: float) -> None:
        self._clock, self._left, self._makes_for = clock, pieces, makes_for
        self.closed = False
        self.seen: list[float] = []
        self.taking: Taking | None = None

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            self._left -= 1
            self._clock.now += self._makes_for
            if self.taking is not None:
                self.seen.append(self.taking.behind())
            yield b"x" * BYTES_A_SECOND

    def close(self) -> None:
        self.closed = True


def taken(clock: Clock, answer: Answer, *, seconds_a_piece: float) -> tuple[list[float], int]:
    """How far behind the client is as each piece has just been taken, and how many pieces there were."""
    taking = answer.taking = Taking(answer, clock=clock)
    behind = []
    for _ in taking:
        clock.now += seconds_a_piece
        behind.append(taking.behind())
    taking.close()
    assert answer.closed
    return behind, len(behind)


@pytest.mark.parametrize("makes_for", [0.0, 7.0])
@pytest.mark.parametrize("speed", [1.0, 0.1])
def test_who_is_fast_enough_is_never_behind(makes_for: float, speed: float) -> None:
    clock = Clock()
    answer = Answer(clock, pieces=1000, makes_for=makes_for)
    behind, pieces = taken(clock, answer, seconds_a_piece=speed)
    assert pieces == 1000
    assert max(behind) == pytest.approx(speed)
    assert set(answer.seen) == {0.0}  # what the application takes for itself


@pytest.mark.parametrize("makes_for", [0.0, 7.0])
def test_who_is_too_slow_falls_behind_piece_by_piece(makes_for: float) -> None:
    clock = Clock()
    behind, _ = taken(clock, Answer(clock, pieces=50, makes_for=makes_for), seconds_a_piece=1.5)
    assert behind == pytest.approx([1.5 + 0.5 * number for number in range(50)])


def test_being_fast_is_not_saved_up() -> None:
    clock = Clock()
    taking = Taking([b"x" * BYTES_A_SECOND * 100, b"x"], clock=clock)
    next(taking)
    clock.now += 1
    next(taking)
    clock.now += 31
    assert taking.behind() == pytest.approx(31)


def test_an_answer_of_one_piece_has_its_time() -> None:
    clock = Clock()
    taking = Taking([b"x" * 2**20], clock=clock)
    next(taking)
    clock.now += 29.9
    assert taking.behind() == pytest.approx(29.9)
