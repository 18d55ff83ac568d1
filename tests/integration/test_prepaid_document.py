"""The commands of docs/prepaid.md, one after the other as they stand there, on books that have nothing else."""

import re
import shlex
from pathlib import Path

from sqlalchemy import Engine

from tests.integration.conftest import Cli
from tests.support.books import scalars

PAGE = Path(__file__).parents[2] / "docs" / "prepaid.md"
# Where the id is that the page says to take from the command before.
IDS = {
    "GRANT_ID": "SELECT id FROM wallet_grants WHERE category = 'purchased' ORDER BY id DESC LIMIT 1",
    "TOP_UP_ID": "SELECT id FROM wallet_top_ups ORDER BY asked_at DESC LIMIT 1",
    "SCHEDULE_ID": "SELECT id FROM wallet_schedules ORDER BY id DESC LIMIT 1",
}


def commands() -> list[list[str]]:
    """The words of each command."""
    fences = re.findall(r"```sh\n(.+?)\n```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for fence in fences for line in fence.replace("\\\n", " ").splitlines()]
    return [shlex.split(line.split(" > ")[0]) for line in lines if not line.startswith("#")]


def test_they_can_be_pasted_in_their_order(engine: Engine, program: Cli) -> None:
    done = 0
    for name, *words in commands():
        assert name == "usage-billing"
        given = [str(scalars(engine, IDS[word])[0]) if word in IDS else word for word in words]
        answer = program(*given)
        assert answer.code == 0, (words, answer.err)
        done += 1
    assert done >= 20
