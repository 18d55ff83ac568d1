"""What a proof of the books finds."""

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[str, int, int], None]
"""``on_progress(stage, done, total)``: so much of a stage is done; a total of 0 means unknown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in the books that is not as it follows from the usage.

    ``kind`` is for programs, ``subject`` names the row (``summary:7``), ``message`` says what stands there and
    what should.
    """

    kind: str
    subject: str
    message: str


def quiet(stage: str, done: int, total: int) -> None:
    """Tell no progress."""
