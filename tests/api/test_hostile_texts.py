"""NUL, line breaks and 10,000 characters in every text that the API takes: refused where they stand, nothing changed.

The texts are those of the OpenAPI document, so that of a new route is tried too.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.support.refusals import written

HOSTILE = {"NUL": "a\x00b", "a line break": "a\r\nb: c", "10,000 characters": "x" * 10_000, "an escape": "a\x1b[2J"}
_FREE_OF_CONTROLS = r"^[^\u0000-\u001f\u007f]*$"
_NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"
_DEEPEST = 6
_OF_MAIL = ("to", 0)  # of endpoints of mail, which are refused here for other reasons; tests/mail/test_doors.py

Place = tuple[str | int, ...]


def _texts(document: Any, schema: Any, depth: int = 0) -> Iterator[Place]:
    """Where in a body that a schema describes texts for people stand."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if depth > _DEEPEST:
        return
    if schema.get("pattern") == _FREE_OF_CONTROLS or schema.get("format") == "email":
        yield ()
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, ()):
            yield from _texts(document, one, depth + 1)
    inner = [(name, one) for name, one in schema.get("properties", {}).items()]
    if isinstance(schema.get("items"), dict):
        inner.append((0, schema["items"]))
    for name, one in inner:
        for place in _texts(document, one, depth + 1):
            yield (name, *place)


def _filled(path: str, parameters: list[Any]) -> str:
    for one in parameters:
        if one["in"] == "path":
            kind = one["schema"]
            whole = "1" if kind.get("type") == "integer" else "nowhere"
            path = path.replace("{" + one["name"] + "}", _NOWHERE if kind.get("format") == "uuid" else whole)
    return path


def _with(body: Any, place: Place, text: str) -> Any:
    """The body with a text at a place, which is made where the example has none."""
    if not place:
        return text
    name, rest = place[0], place[1:]
    if isinstance(name, int):
        found = list(body) if isinstance(body, list) and body else [{}]
        return [_with(found[0], rest, text), *found[1:]]
    found = dict(body) if isinstance(body, dict) else {}
    return found | {name: _with(found.get(name), rest, text)}


def _requests(document: Any) -> Iterator[tuple[str, str, Place, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None:
                continue
            asked = _filled(path, [*operations.get("parameters", []), *operation.get("parameters", [])])
            for place in sorted(set(_texts(document, body["schema"])) - {_OF_MAIL}, key=str):
                yield method.upper(), asked, place, body["example"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_of_a_request_takes_it(world: Engine, admin: FlaskClient, text: str) -> None:
    before, wrong, tried = written(world), [], 0
    for method, path, place, example in _requests(admin.get("/api/openapi.json").json):
        tried += 1
        answer = admin.open(path, method=method, json=_with(copy.deepcopy(example), place, text))
        pointer = "/" + "/".join(map(str, place))
        pointers = [one["pointer"] for one in answer.json.get("errors", ())]
        if answer.status_code != 422 or pointer not in pointers:
            wrong.append((method, path, pointer, answer.status_code, answer.json))
    assert not wrong, "\n".join(map(str, wrong))
    assert tried > 40
    assert written(world) == before
