"""What is kept of a series beside the number and the sum of its values, by the meter's function, in SQL. Pure."""

from dataclasses import dataclass

from usage_billing.expressions.expression import number_in_sql
from usage_billing.meters.definition import Definition, Function


@dataclass(frozen=True, slots=True)
class Extreme:
    """A column of buckets and totals that holds the greatest or the least of something, or a sum.

    ``each`` is what a row of ``measured`` (named ``m``) puts in; ``aggregate`` takes the extreme of rows, ``pick`` that
    of two columns, one of which may be null. From what ``is_sum``, what is taken back is subtracted.
    """

    column: str
    each: str
    aggregate: str
    pick: str
    is_sum: bool = False


MICROSECONDS = "extract(epoch FROM m.occurred_at) * 1000000"
"""When a row of ``measured`` occurred, since the epoch: an exact number."""
_EXTREMES = {
    Function.MAX: Extreme("maximum", "m.value", "max", "greatest"),
    Function.MIN: Extreme("minimum", "m.value", "min", "least"),
    # Arrays are compared element by element: the later instant, then the higher ordinal.
    Function.LATEST: Extreme("latest", f"ARRAY[{MICROSECONDS}, m.ordinal, m.value]", "max", "greatest"),
}
_WEIGHTED = Extreme("weighted", f"m.sign * m.value * {MICROSECONDS}", "sum", "numeric_add", is_sum=True)


def extreme_of(definition: Definition) -> Extreme | None:
    """What a meter of this function keeps; None if sums suffice, or as of levels that are set, buckets are remade."""
    if definition.function == Function.LEVEL:
        return None if definition.is_set else _WEIGHTED
    return _EXTREMES.get(definition.function)


def value_in_sql(definition: Definition) -> str:
    """The number that the value ``raw`` of a recording adds; NULL where it has none."""
    if definition.function == Function.COUNT:
        return "CAST(1 AS numeric)"
    if definition.is_of_any_kind:
        return "CASE WHEN jsonb_typeof(raw) <> 'null' THEN CAST(1 AS numeric) END"
    return "raw" if definition.value is None else number_in_sql("raw")


def digest_in_sql(name: str) -> str:
    """16 bytes that tell a jsonb scalar from others. The number 1 is 1.0, and not the text "1"."""
    number = f"CAST(trim_scale(CAST({name} AS numeric)) AS text)"
    text = f"CASE jsonb_typeof({name}) WHEN 'number' THEN {number} ELSE CAST({name} AS text) END"
    return f"substring(sha256(convert_to({text}, 'UTF8')) FROM 1 FOR 16)"
