"""Counts equal digests in a file that is read twice, in little memory."""

_BYTES = 1 << 24


class Repeats:
    """The first reading notes every digest, the second asks for each, in the same order.

    A bitmap of 16 MiB finds in the first reading which digests may occur twice; only those are counted in the second.
    So a file of ten million different rows takes tens of megabytes, where a table of all digests took a gigabyte.
    """

    def __init__(self) -> None:
        self._marks = bytearray(_BYTES)
        self._counts = dict[bytes, int]()

    def note(self, digest: bytes) -> None:
        """In the first reading: ``digest``, of at least 8 evenly distributed bytes, is in the file."""
        place = int.from_bytes(digest[:8]) % (_BYTES * 8)
        byte, bit = place >> 3, 1 << (place & 7)
        if self._marks[byte] & bit:
            self._counts[digest] = 0
        self._marks[byte] |= bit

    def may_repeat(self, digest: bytes) -> bool:
        """In the second reading: whether ``digest`` may occur twice."""
        return digest in self._counts

    def earlier(self, digest: bytes) -> int:
        """In the second reading: how often ``digest`` was asked for before."""
        count = self._counts.get(digest)
        if count is None:
            return 0
        self._counts[digest] = count + 1
        return count
