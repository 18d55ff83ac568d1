"""JSON Lines: one object a line, each name in it once."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec

from usage_billing.cli.importing.lines import MAX_LINE, Line, refuse_absent, renamed
from usage_billing.cli.importing.quick import QuickReader
from usage_billing.core.errors import InvalidInput
from usage_billing.core.json_names import RepeatedName, check_names
from usage_billing.metering.spelling import RawFields, read_object

_MARK = b"\xef\xbb\xbf"


def json_lines(file: BinaryIO, names: Mapping[str, str], quick: QuickReader) -> Iterator[Line]:
    """The lines of ``file``, whose fields are renamed by ``names``.

    Raises InvalidInput at the end if there are objects, and none of them has a field of one of these names.
    """
    number, has_objects, absent = 0, False, set(names)
    while data := file.readline(MAX_LINE + 1):
        number += 1
        whole = data.endswith(b"\n") or len(data) <= MAX_LINE
        while not data.endswith(b"\n") and not whole:
            rest = file.readline(MAX_LINE)
            whole = not rest or rest.endswith(b"\n")
        if len(data) > MAX_LINE:
            yield Line(number, problem=f"is longer than {MAX_LINE} bytes")
            continue
        if number == 1:
            data = data.removeprefix(_MARK)
        recording = None if names else quick.of_json(number, data)
        if recording is not None:
            yield Line(number, recording=recording)
        elif data.strip():
            line = _line(number, data, names, absent)
            has_objects = has_objects or line.fields is not None
            yield line
    if has_objects:
        refuse_absent(absent, "no line has the field")


def _line(number: int, data: bytes, names: Mapping[str, str], absent: set[str]) -> Line:
    """A line, whose fields are taken from ``absent``."""
    try:
        fields = read_object(data)
        refuse_repeats(data)
        if not names:
            return Line(number, fields)
        absent.difference_update(fields)
        return Line(number, _renamed(fields, names))
    except InvalidInput as error:
        return Line(number, problem=error.message)


def _renamed(fields: RawFields, names: Mapping[str, str]) -> RawFields:
    found = dict[str, msgspec.Raw]()
    for name, value in fields.items():
        field = renamed(name, names)
        if field in found:
            raise InvalidInput(f"has {field} under two names")
        if field:
            found[field] = value
    return found


def refuse_repeats(data: bytes) -> None:
    """Raises InvalidInput for an object in ``data`` that has a name twice, and for what is no JSON."""
    try:
        check_names(data)
    except RepeatedName as error:
        raise InvalidInput(str(error), code="repeated_name") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"must be a JSON object: {error}", code="malformed_json") from None
