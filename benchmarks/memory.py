"""What the processes and the disk hold after a million recordings."""

from benchmarks.batches import SUBSCRIPTIONS, record
from benchmarks.machine import Machine, machine
from benchmarks.report import Figure

MIB = 2**20


def run(*, quick: bool) -> list[Figure]:
    """Record a tenth, look, record the rest and look again: the rest must add no memory."""
    number = 50_000 if quick else 1_000_000
    with machine() as made:
        made.subscribe(SUBSCRIPTIONS)
        record(made, number // 10, batch=1000)
        early = made.memory()
        record(made, number - number // 10, batch=1000)
        late = made.memory()
        made.vacuum()
        size, parts = _storage(made)
        recorded = made.recorded()
    found = [
        Figure(
            what=f"the largest process of the {name} after {number:,} recordings",
            measured=f"{late[part] / MIB:.0f} MiB",
            yardstick=f"{early[part] / MIB:.0f} MiB after {number // 10:,}",
            value=late[part] / MIB,
            at_most=bound,
        )
        for name, part, bound in (("API", "api", 120), ("worker", "worker", 200))
    ]
    found += [
        Figure(
            what=f"growth of the {name} over the last nine tenths",
            measured="",
            value=late[part] / early[part],
            at_most=1.15,
        )
        for name, part in (("API", "api"), ("worker", "worker"))
    ]
    found.append(
        Figure(
            what="disk for a recording with two names of metadata",
            measured=f"{size / recorded:.0f} bytes: {parts}",
            value=size / recorded,
            at_most=400,
        )
    )
    return found


def _storage(made: Machine) -> tuple[int, str]:
    """Bytes of the table ``usage`` with its indexes, and a text with the bytes that each part needs a recording."""
    rows = made.sql(
        """
        SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
        WHERE indrelid = 'usage'::regclass ORDER BY 1
        """
    )
    table = int(made.sql("SELECT pg_table_size('usage')")[0][0])
    recorded = made.recorded()
    parts = [f"table {table / recorded:.0f}", *(f"{name} {size / recorded:.0f}" for name, size in rows)]
    return table + sum(int(size) for _, size in rows), ", ".join(parts)
