"""The quick reading of a line gives what the reading field by field gives, or leaves the line to it."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.cli.importing.csv_lines import _line
from usage_billing.cli.importing.json_lines import refuse_repeats
from usage_billing.cli.importing.quick import QuickReader, picker
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.recording.import_usage import FileName
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import FIELDS, RawFields, parse_recording, read_object

NAME, NOW = FileName(bytes(range(32))), datetime(2026, 5, 1, tzinfo=UTC)
QUICK = QuickReader(NAME, NOW, "")
GOOD = {
    "userId": "user123",
    "subscriptionId": "sub:456",
    "usageType": "assessment",
    "quantity": "1",
    "metadata": '{"at":"10:30","region":"eu"}',
    "timestamp": "2026-04-01T12:00:00.123456+02:00",
    "idempotencyKey": "k",
    "source": "s",
}
ODD = {
    "userId": ["", "a b", "é", "\ud800", "a:b", "x" * 129],
    "quantity": ["", "0", "-1", "1e3", "0.1000", "1.0000000000004", '"2.50"', "x", "1e400", " 1"],
    "metadata": [
        *("", "{}", "null", "[]", '{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', '{"a:b":1}', '{"b":1.50,"a":2}', "x"),
        *(
            '{"a":"\\u0000"}',
            '{ "a" : [ {"b": 1} ] }',
            '{"a":1e5,"a":1}',
            '{"x":"' + "é" * 9000 + '"}',
            '{"a":"\ud800"}',
        ),
    ],
    "timestamp": [
        *("", "2026-04-01", "2026-04-01T00:00:00", "2026-04-01T00:00:00Z", "2026-04-30T23:59:59.9999999Z", "x"),
        *("2026-04-01T23:59:60Z", "1999-01-01T00:00:00Z", "2026-05-01T00:59:59Z", "2026-05-01T01:00:01Z"),
        *("9999-12-31T23:59:59-01:00", "2026-04-01t00:00:00z", "2026-04-01T00:00:00.1234567+00:00"),
    ],
    "idempotencyKey": ["", "é", "\x00", "x" * 200, "a:b", "\ud800"],
    "source": ["", "é", "\x1f", "a:b"],
}
CELLS = st.fixed_dictionaries({name: st.sampled_from([good, good, *ODD.get(name, [])]) for name, good in GOOD.items()})


RAW = {"metadata", "quantity"}


def plainly(fields: RawFields, number: int) -> Recording | None:
    """What the reading field by field makes of a line, None where it refuses it."""
    try:
        return parse_recording(fields, id=NAME.record_id(number), received_at=NOW)
    except InvalidInput:
        return None


def same(quick: Recording | None, plain: Recording | None) -> bool:
    """Whether both are one recording, to the spelling of the quantity and the zone of the time; or it was left."""
    return quick is None or (quick == plain and repr(quick) == repr(plain))


def check_csv(cells: dict[str, str], number: int) -> None:
    """Both readings of a line of CSV give one recording, or the quick one leaves it."""
    row = [*cells.values()]
    line = _line(number, FIELDS, row)
    expected = None if line.fields is None else plainly(line.fields, number)
    assert same(QUICK.of_cells(number, picker(FIELDS)([*row, ""])), expected)


@given(cells=CELLS, number=st.integers(2, 10**9))
def test_a_line_of_csv_is_read_alike(cells: dict[str, str], number: int) -> None:
    check_csv(cells, number)


@pytest.mark.parametrize("name", ODD)
def test_each_odd_cell_alone_is_read_alike(name: str) -> None:
    for odd in ODD[name]:
        check_csv(GOOD | {name: odd}, 2)


@given(
    cells=CELLS,
    left_out=st.sets(st.sampled_from(FIELDS)),
    more=st.sampled_from(["", ',"source":"t"', ',"userId":"user123"', ',"price":1', ',"source":null', ',"b\\u003a":1']),
    escaped=st.booleans(),
)
def test_a_line_of_json_is_read_alike(cells: dict[str, str], left_out: set[str], more: str, escaped: bool) -> None:
    members = [
        f'"{name}":{cell if name in RAW else json.dumps(cell, ensure_ascii=escaped)}'
        for name, cell in cells.items()
        if name not in left_out
    ]
    data = f"{{{','.join(members)}{more}}}".replace("sub:456", "sub\\u003a456" if escaped else "sub:456")
    raw = data.encode("utf-8", "surrogatepass")
    try:
        fields = read_object(raw)
        refuse_repeats(raw)
        expected = plainly(fields, 3)
    except InvalidInput:
        expected = None
    assert same(QUICK.of_json(3, raw), expected)


@pytest.mark.parametrize("changed", [{}, {"timestamp": ""}, {"idempotencyKey": ""}, {"metadata": ""}])
def test_usual_lines_are_read_quickly(changed: dict[str, str]) -> None:
    cells = GOOD | changed
    assert QUICK.of_cells(2, picker(FIELDS)([*cells.values(), ""])) is not None
    members = {name: json.loads(text) if name in RAW else text for name, text in cells.items() if text}
    assert QUICK.of_json(2, json.dumps(members).encode()) is not None


def test_a_name_that_stands_twice_does_not_hide_behind_an_escaped_colon() -> None:
    line = b'{"userId":"u","subscriptionId":"s%s456","usageType":"t","quantity":1%s}'
    assert QUICK.of_json(2, line % (b":", b"")) is not None
    assert QUICK.of_json(2, line % (b"\\u003a", b',"quantity":2')) is None
    assert QUICK.of_json(2, line % (b"_", b',"quantity":2')) is None


def test_what_lines_share_is_not_mixed_up() -> None:
    reader = QuickReader(NAME, NOW, "import")
    rows = [["u", "s", "t", str(quantity), "", "", "", source, ""] for quantity in (1, 2, 1) for source in ("", "o")]
    found = [reader.of_cells(number, picker(FIELDS)(row)) for number, row in enumerate(rows)]
    assert [(one.quantity, one.source) for one in found if one] == [
        (Decimal(quantity), source) for quantity in (1, 2, 1) for source in ("import", "o")
    ]
