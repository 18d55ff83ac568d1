"""The documents name the actor too."""

import pytest

from tests.architecture.sources import ROOT, tracked_files
from tests.architecture.words import nameless_in

DOCUMENTS = tuple(name for name in tracked_files() if name.endswith(".md"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_speaks_of_no_nameless_actor(name: str) -> None:
    assert nameless_in((ROOT / name).read_text(encoding="utf-8")) == []


def test_a_nameless_actor_is_seen_but_not_the_account_of_that_name() -> None:
    assert nameless_in("Whoever asks is told; the servers run as `nobody`, never as *somebody*.") == ["Whoever"]
