"""Names of a file's lines: the same in every import, different in every file, and orderly."""

from datetime import UTC, datetime
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.core.identifiers import is_identifier
from usage_billing.flows.recording.import_usage import FileName

digests = st.binary(max_size=8).map(lambda data: sha256(data).digest())


@given(digests, st.integers(1, 2**40))
@examples(200)
def test_a_line_has_one_id_and_one_key(digest: bytes, line: int) -> None:
    name = FileName(digest)
    assert name.record_id(line) == FileName(digest).record_id(line)
    assert name.record_id(line) < name.record_id(line + 1)
    assert is_identifier(name.key(line))
    assert name.key(line) != name.key(line + 1)
    assert name.record_id(line).version == 8
    # Whoever reads a time out of an id, as of other ids, gets one.
    assert datetime.fromtimestamp((name.record_id(line).int >> 80) / 1000, tz=UTC).year < 2005


@given(digests, digests)
@examples(100)
def test_two_files_share_nothing(one: bytes, other: bytes) -> None:
    assert (one == other) == (FileName(one).record_id(1) == FileName(other).record_id(1))
    assert (one == other) == (FileName(one).key(1) == FileName(other).key(1))
