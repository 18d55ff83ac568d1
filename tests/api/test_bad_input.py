"""Every attack on input that the issue names: a clear problem, never a 500, nothing stored, nothing enqueued."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tasks.inbox.protocol import Inbox
from tests.api.conftest import EVENT
from tests.conftest import As, MakeToken
from tests.support.callers import Keys

pytestmark = pytest.mark.usefixtures("world")


def _with(**fields: Any) -> bytes:
    """The example with some fields replaced; None leaves one out."""
    return json.dumps({name: value for name, value in (EVENT | fields).items() if value is not None}).encode()


def _raw(name: str, text: str) -> bytes:
    """The example with one field spelled exactly so."""
    return _with(**{name: "HERE"}).replace(b'"HERE"', text.encode("utf-8", "surrogatepass"))


_TOO_DEEP = "[" * 5000 + "]" * 5000
_DEEP_METADATA = '{"a":' * 900 + "1" + "}" * 900

WRONG_FIELDS: dict[str, tuple[bytes, str, str]] = {
    "userId missing": (_with(userId=None), "/userId", "required"),
    "subscriptionId missing": (_with(subscriptionId=None), "/subscriptionId", "required"),
    "usageType missing": (_with(usageType=None), "/usageType", "required"),
    "quantity missing": (_with(quantity=None), "/quantity", "required"),
    "userId null": (_raw("userId", "null"), "/userId", "not_a_text"),
    "unknown field": (_with(quantitty=1), "/quantitty", "unknown"),
    "unknown field with a slash": (_with(**{"a/b~c": 1}), "/a~1b~0c", "unknown"),
    "userId a number": (_with(userId=5), "/userId", "not_a_text"),
    "userId a list": (_with(userId=["user123"]), "/userId", "not_a_text"),
    "userId empty": (_with(userId=""), "/userId", "not_an_identifier"),
    "userId with a space": (_with(userId="a b"), "/userId", "not_an_identifier"),
    "userId too long": (_with(userId="a" * 129), "/userId", "not_an_identifier"),
    "userId with an accent": (_with(userId="cafe\u0301"), "/userId", "not_an_identifier"),
    "userId with a newline": (_with(userId="user123\n"), "/userId", "not_an_identifier"),
    "userId with NUL": (_with(userId="a\x00b"), "/userId", "bad_text"),
    "userId with a lone surrogate": (_raw("userId", '"a\\ud800"'), "/userId", "bad_text"),
    "usageType with quotes": (_with(usageType="'; DROP TABLE usage;--"), "/usageType", "not_an_identifier"),
    "quantity negative": (_with(quantity=-1), "/quantity", "not_a_decimal"),
    "quantity zero": (_with(quantity=0), "/quantity", "out_of_range"),
    "quantity zero with places": (_raw("quantity", "0.000"), "/quantity", "out_of_range"),
    "quantity minus zero": (_raw("quantity", "-0"), "/quantity", "out_of_range"),
    "quantity text NaN": (_with(quantity="NaN"), "/quantity", "not_a_decimal"),
    "quantity text Infinity": (_with(quantity="Infinity"), "/quantity", "not_a_decimal"),
    "quantity text -Infinity": (_with(quantity="-inf"), "/quantity", "not_a_decimal"),
    "quantity 40 digits": (_raw("quantity", "1" * 40), "/quantity", "not_a_decimal"),
    "quantity one too large": (_raw("quantity", "1000000000000001"), "/quantity", "not_a_decimal"),
    "quantity 1e400": (_raw("quantity", "1e400"), "/quantity", "not_a_decimal"),
    "quantity text 1e400": (_with(quantity="1e400"), "/quantity", "not_a_decimal"),
    "quantity that rounds to zero": (_raw("quantity", "0.0000000000001"), "/quantity", "out_of_range"),
    "quantity 13 places as a text": (_with(quantity="0.0000000000001"), "/quantity", "not_a_decimal"),
    "quantity 1e-300": (_raw("quantity", "1e-300"), "/quantity", "out_of_range"),
    "quantity true": (_with(quantity=True), "/quantity", "not_a_decimal"),
    "quantity a list": (_with(quantity=[1]), "/quantity", "not_a_decimal"),
    "quantity null": (_raw("quantity", "null"), "/quantity", "not_a_decimal"),
    "quantity with an underscore": (_with(quantity="1_000"), "/quantity", "not_a_decimal"),
    "quantity with spaces": (_with(quantity=" 5 "), "/quantity", "not_a_decimal"),
    "quantity in Arabic digits": (_with(quantity="\u0665"), "/quantity", "not_a_decimal"),
    "quantity in full-width digits": (_with(quantity="\uff15"), "/quantity", "not_a_decimal"),
    "quantity hexadecimal": (_with(quantity="0x10"), "/quantity", "not_a_decimal"),
    "quantity with a comma": (_with(quantity="1,5"), "/quantity", "not_a_decimal"),
    "quantity with a plus": (_with(quantity="+1"), "/quantity", "not_a_decimal"),
    "time without offset": (_with(timestamp="2026-11-15T12:00:00"), "/timestamp", "no_offset"),
    "time in 1970": (_with(timestamp="1970-01-01T00:00:00Z"), "/timestamp", "out_of_range"),
    "time in 2200": (_with(timestamp="2200-01-01T00:00:00Z"), "/timestamp", "out_of_range"),
    "time two hours ahead": (_with(timestamp="2026-11-15T14:31:00Z"), "/timestamp", "out_of_range"),
    "time in 9999 with offset": (_with(timestamp="9999-12-31T23:59:59-12:00"), "/timestamp", "out_of_range"),
    "time in year 1": (_with(timestamp="0001-01-01T00:00:00+14:00"), "/timestamp", "out_of_range"),
    "time as digits": (_with(timestamp="20261115"), "/timestamp", "not_a_time"),
    "time as a number": (_with(timestamp=1700000000), "/timestamp", "not_a_time"),
    "time on 30 February": (_with(timestamp="2026-02-30T00:00:00Z"), "/timestamp", "not_a_time"),
    "date only": (_with(timestamp="2026-11-15"), "/timestamp", "not_a_time"),
    "metadata a list": (_with(metadata=[1]), "/metadata", "invalid_metadata"),
    "metadata a text": (_with(metadata="{}"), "/metadata", "invalid_metadata"),
    "metadata over 16 KiB": (_with(metadata={"a": "x" * 16_400}), "/metadata", "invalid_metadata"),
    "metadata over 16 KiB written out": (
        _raw("metadata", '{"a":[' + ",".join(["1e100"] * 2000) + "]}"),
        "/metadata",
        "invalid_metadata",
    ),
    "metadata nested 33 deep": (_raw("metadata", '{"a":' * 33 + "1" + "}" * 33), "/metadata", "invalid_metadata"),
    "metadata nested 900 deep": (_raw("metadata", _DEEP_METADATA), "/metadata", "invalid_metadata"),
    "metadata with 1e400": (_raw("metadata", '{"a":1e400}'), "/metadata", "invalid_metadata"),
    "metadata with NUL": (_with(metadata={"a": {"b": "x\x00"}}), "/metadata/a/b", "bad_text"),
    "metadata with NUL in a name": (_with(metadata={"a": {"b\x00": 1}}), "/metadata/a", "bad_text"),
    "metadata with a lone surrogate": (_raw("metadata", '{"a":["\\uDFFF"]}'), "/metadata/a/0", "bad_text"),
    "key empty": (_with(idempotencyKey=""), "/idempotencyKey", "not_a_key"),
    "key a number": (_with(idempotencyKey=1), "/idempotencyKey", "not_a_text"),
    "source with a line break": (_with(source="a\nb"), "/source", "not_a_key"),
    "a list": (b"[]", "", "not_an_object"),
    "a text": (b'"abc"', "", "not_an_object"),
    "null": (b"null", "", "not_an_object"),
    "a number": (b"1", "", "not_an_object"),
}

UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "not_json"),
    "truncated": (_with()[:-5], 400, "not_json"),
    "two texts": (b"{} {}", 400, "not_json"),
    "single quotes": (b"{'a': 1}", 400, "not_json"),
    "NaN": (_raw("quantity", "NaN"), 400, "not_json"),
    "Infinity": (_raw("quantity", "Infinity"), 400, "not_json"),
    "-Infinity": (_raw("quantity", "-Infinity"), 400, "not_json"),
    "a number that begins with zero": (_raw("quantity", "01"), 400, "not_json"),
    "a number with a plus": (_raw("quantity", "+1"), 400, "not_json"),
    "a number that begins with a point": (_raw("quantity", ".5"), 400, "not_json"),
    "a number of 5,000 digits": (_raw("quantity", "9" * 5000), 400, "number_too_long"),
    "an exponent of nine digits": (_raw("quantity", "1e999999999"), 400, "number_too_long"),
    "a raw NUL": (_raw("userId", '"a\x00b"'), 400, "not_json"),
    "a raw newline in a text": (_raw("userId", '"a\nb"'), 400, "not_json"),
    "the same name twice": (_with()[:-1] + b',"quantity":5}', 400, "repeated_name"),
    "the same name twice, deeper": (_raw("metadata", '{"a":{"b":1,"b":2}}'), 400, "repeated_name"),
    "the same name twice, spelled differently": (_with()[:-1] + b',"quant\\u0069ty":5}', 400, "repeated_name"),
    "nested 5,000 deep": (_raw("metadata", '{"a":' + _TOO_DEEP + "}"), 400, "too_deep"),
    "nested 5,000 deep, nothing else": (_TOO_DEEP.encode(), 400, "too_deep"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + _with(), 400, "not_utf8"),
    "UTF-16": (_with().decode().encode("utf-16"), 400, "not_utf8"),
    "UTF-32": (_with().decode().encode("utf-32-le"), 400, "not_json"),
    "Latin-1": (_raw("metadata", '{"a":"é"}').decode().encode("latin-1"), 400, "not_utf8"),
    "raw surrogates": (_raw("userId", '"\ud800"'), 400, "not_utf8"),
    "overlong UTF-8": (_with().replace(b"user123", b"\xc0\x80"), 400, "not_utf8"),
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_a_wrong_field_is_pointed_at(writer: FlaskClient, nothing_changed: Callable[[], bool], name: str) -> None:
    body, pointer, code = WRONG_FIELDS[name]
    answer = writer.post("/api/usage/record", data=body, content_type="application/json")
    assert_problem(answer, 422)
    assert {"pointer": pointer, "code": code} in [
        {"pointer": error["pointer"], "code": error["code"]} for error in answer.json["errors"]
    ]
    assert nothing_changed()


@pytest.mark.parametrize("name", [name for name in WRONG_FIELDS if WRONG_FIELDS[name][0].startswith(b"{")])
def test_one_wrong_event_refuses_the_batch(writer: FlaskClient, nothing_changed: Callable[[], bool], name: str) -> None:
    body, pointer, code = WRONG_FIELDS[name]
    batch = b'{"events":[%s,%s]}' % (_with(), body)
    answer = writer.post("/api/usage/record/batch", data=batch, content_type="application/json")
    assert_problem(answer, 422)
    assert (f"/events/1{pointer}", code) in [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    assert nothing_changed()


@pytest.mark.parametrize("path", ["record", "record/batch", "process-billing"])
@pytest.mark.parametrize("name", [name for name in UNREADABLE if name != "empty"])
def test_what_is_not_json_is_refused(
    admin: FlaskClient, nothing_changed: Callable[[], bool], path: str, name: str
) -> None:
    body, status, code = UNREADABLE[name]
    answer = admin.post(f"/api/usage/{path}", data=body, content_type="application/json")
    assert_problem(answer, status)
    assert answer.json["code"] == code
    assert nothing_changed()


def test_an_empty_body_is_refused(writer: FlaskClient) -> None:
    assert_problem(writer.post("/api/usage/record", data=b"", content_type="application/json"), 400)


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml",
     "application/json; charset=utf-16", "application/jsonp", "application/vnd.api+json"],
)  # fmt: skip
def test_another_content_type_is_refused(
    writer: FlaskClient, nothing_changed: Callable[[], bool], content_type: str | None
) -> None:
    answer = writer.post("/api/usage/record", data=_with(), content_type=content_type)
    assert_problem(answer, 415)
    assert nothing_changed()


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_by_any_of_its_names_is_taken(writer: FlaskClient, content_type: str) -> None:
    assert writer.post("/api/usage/record", data=_with(), content_type=content_type).status_code == 202


@pytest.mark.parametrize("over", [0, 1], ids=["at the limit", "one over the limit"])
def test_how_large_a_body_may_be_depends_on_what_it_is_and_on_its_sender(
    app: Flask, call_as: As, keys: Keys, make_token: MakeToken, over: int
) -> None:
    def post(credential: str, path: str, body: bytes, most: int) -> int:
        data = body + b" " * (most - len(body) + over)
        return call_as(credential).post(path, data=data, content_type="application/json").status_code

    batch = b'{"events": [%s]}' % _with()
    preview = b'{"price": {"model": "per_unit", "unitPrice": "1"}, "quantity": "1", "currency": "EUR"}'
    assert post(keys.writer, "/api/usage/record/batch", batch, app.config["MAX_CONTENT_LENGTH"]) == (
        413 if over else 202
    )
    assert post(keys.writer, "/api/usage/record", _with(), 64 * 1024) == (413 if over else 202)
    assert post(keys.admin, "/api/prices/preview", preview, 64 * 1024) == (413 if over else 200)
    assert post(make_token("user123"), "/api/prices/preview", preview, 16 * 1024) == (413 if over else 200)


def test_the_largest_body_bounds_every_other(app: Flask, writer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 2000)
    for over, status in ((0, 202), (1, 413)):
        data = _with() + b" " * (2000 - len(_with()) + over)
        assert writer.post("/api/usage/record", data=data, content_type="application/json").status_code == status


def test_a_compressed_body_is_refused(writer: FlaskClient) -> None:
    answer = writer.post(
        "/api/usage/record", data=_with(), content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert_problem(answer, 415)


@pytest.mark.parametrize("path", ["/api/usage/record", "/api/usage/record/batch", "/api/usage/process-billing"])
def test_a_body_over_the_limit_is_refused(admin: FlaskClient, nothing_changed: Callable[[], bool], path: str) -> None:
    answer = admin.post(path, data=b" " * (4 * 1024 * 1024) + _with(), content_type="application/json")
    assert_problem(answer, 413)
    assert nothing_changed()


class Cut(BytesIO):
    """A body whose chunks go wrong, as gunicorn tells it."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("Invalid chunk size")


@pytest.mark.parametrize(
    ("stream", "length", "status"),
    [
        # Chunked: no header says beforehand how long it is.
        (BytesIO(_with()), None, 202),
        (BytesIO(b" " * (64 * 1024 - len(_with())) + _with()), None, 202),
        (BytesIO(b" " * (64 * 1024 - len(_with()) + 1) + _with()), None, 413),
        # Complete JSON within the limit, and more beyond it.
        (BytesIO(_with() + b" " * (4 * 1024 * 1024) + b"and more"), None, 413),
        (Cut(), None, 400),
        # Cut short, though what came is JSON.
        (BytesIO(_with()), 5000, 400),
    ],
    ids=["right", "just the limit", "one over the limit", "valid up to the limit", "wrong chunks", "cut short"],
)
def test_a_body_is_taken_whole_or_not_at_all(
    writer: FlaskClient, inbox: Inbox, stream: BytesIO, length: int | None, status: int
) -> None:
    answer = writer.post(
        "/api/usage/record",
        input_stream=stream,
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"} if length is None else {},
        environ_overrides={"wsgi.input_terminated": True} | ({"CONTENT_LENGTH": str(length)} if length else {}),
    )
    assert answer.status_code == status, answer.json
    assert inbox.waiting() == (1 if status == 202 else 0)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/events", "required"),
        ({"events": []}, "/events", "out_of_range"),
        ({"events": {}}, "/events", "out_of_range"),
        ({"events": [EVENT] * 1001}, "/events", "out_of_range"),
        ({"events": [EVENT, 5, None]}, "/events/2", "not_an_object"),
        ({"events": [EVENT], "more": 1}, "/more", "unknown"),
        ([EVENT], "", "not_an_object"),
    ],
)
def test_a_wrong_batch_is_pointed_at(
    writer: FlaskClient, nothing_changed: Callable[[], bool], body: Any, pointer: str, code: str
) -> None:
    answer = writer.post("/api/usage/record/batch", json=body)
    assert_problem(answer, 422)
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    assert nothing_changed()


def test_every_wrong_event_of_a_batch_is_named(writer: FlaskClient) -> None:
    events = [EVENT | {"quantity": -1} if index % 10 == 0 else EVENT for index in range(100)]
    answer = writer.post("/api/usage/record/batch", json={"events": events})
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/events/{i}/quantity" for i in range(0, 100, 10)]


@pytest.mark.parametrize(
    ("field", "header", "pointer"),
    [
        ("k-1", "k-2", "/idempotencyKey"),
        (None, "a" * 1025, ""),
        (None, "\xff", ""),
        (None, "", ""),
        (7, "k-2", "/idempotencyKey"),
    ],
)
def test_a_key_that_contradicts_its_header_is_refused(
    writer: FlaskClient, nothing_changed: Callable[[], bool], field: Any, header: str, pointer: str
) -> None:
    answer = writer.post(
        "/api/usage/record",
        data=_with(idempotencyKey=field),
        content_type="application/json",
        headers={"Idempotency-Key": header},
    )
    assert_problem(answer, 422)
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert nothing_changed()


def test_a_batch_takes_no_key_of_its_own(writer: FlaskClient, nothing_changed: Callable[[], bool]) -> None:
    answer = writer.post("/api/usage/record/batch", json={"events": [EVENT]}, headers={"Idempotency-Key": "k-1"})
    assert_problem(answer, 422)
    assert nothing_changed()


@pytest.mark.parametrize(
    "path",
    ["/api/usage/user/a%00b", "/api/usage/user/a%20b", "/api/usage/user/" + "a" * 129, "/api/usage/user/%ED%A0%80",
     "/api/usage/records/123", "/api/usage/records/" + "0" * 36,
     "/api/usage/records/00000000-0000-0000-0000-000000000000",
     "/api/usage/records/00000000-0000-7000-8000-000000000000",
     "/api/usage/records/ffffffff-ffff-7fff-bfff-ffffffffffff",
     "/api/usage/subscription/..%2f..%2fetc/records", "/api/quotas/99999999999999999999999999", "/api/quotas/-1",
     "/api/invoices/'", "/api/billing-runs/%00", "/api/customers/%0a"],
)  # fmt: skip
def test_an_id_that_cannot_be_is_not_found(admin: FlaskClient, path: str) -> None:
    assert_problem(admin.get(path), 404)


@pytest.mark.parametrize(
    ("path", "parameter", "status"),
    [
        ("/api/customers?limit=0", "limit", 422),
        ("/api/customers?limit=201", "limit", 422),
        ("/api/customers?limit=abc", "limit", 422),
        ("/api/customers?limit=1.5", "limit", 422),
        ("/api/customers?limit=\u0665", "limit", 422),
        ("/api/customers?limit=99999999999999999999", "limit", 422),
        ("/api/customers?nonsense=1", "nonsense", 422),
        ("/api/invoices?userId=%00", "userId", 422),
        ("/api/invoices?status=open", "status", 422),
        ("/api/usage/user/user123?from=2026-01-01", "from", 422),
        ("/api/usage/user/user123?from=2026-01-01T00:00:00", "from", 422),
        ("/api/usage/user/user123?to=10000-01-01T00:00:00Z", "to", 422),
        ("/api/usage/user/user123?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to", 422),
        ("/api/usage/subscription/sub456/records?usageType=%27", "usageType", 422),
    ],
)
def test_a_wrong_parameter_is_named(admin: FlaskClient, path: str, parameter: str, status: int) -> None:
    answer = admin.get(path)
    assert_problem(answer, status)
    assert [error["parameter"] for error in answer.json["errors"]] == [parameter]


@pytest.mark.parametrize(
    "cursor",
    ["x", "%00", "W10", "WyJhIl0", "eyJhIjoxfQ", "WyInIl0", "WyJhXHUwMDAwIl0", "IiI", "W251bGxd", "A" * 400, "é"],
)
@pytest.mark.parametrize(
    "path", ["/api/invoices", "/api/api-keys", "/api/usage/subscription/sub456/records", "/api/quotas"]
)
def test_a_cursor_of_others_is_refused(admin: FlaskClient, path: str, cursor: str) -> None:
    answer = admin.get(f"{path}?cursor={cursor}")
    assert_problem(answer, 400)
    assert answer.json["code"] == "bad_cursor"


@pytest.mark.parametrize("cursor", ["x", "W10", "eyJhIjoxfQ", "WyInIl0", "WyJhXHUwMDAwIl0", "WyJhXG4iXQ", "W251bGxd"])
def test_a_cursor_of_others_is_refused_by_lists_of_names(admin: FlaskClient, cursor: str) -> None:
    assert_problem(admin.get(f"/api/customers?cursor={cursor}"), 400)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"asOf": "2026-01-01"}, "/asOf"),
        ({"asOf": "2026-01-01T00:00:00"}, "/asOf"),
        ({"asOf": "2026-12-01T00:00:00Z"}, "/asOf"),
        ({"asOf": "9999-12-31T23:59:59-12:00"}, "/asOf"),
        ({"dryRun": "yes"}, "/dryRun"),
        ({"dryRun": 1}, "/dryRun"),
        ({"subscriptionId": "nobody"}, "/subscriptionId"),
        ({"subscriptionId": 5}, "/subscriptionId"),
        ({"force": True}, "/force"),
        ([], ""),
    ],
)
def test_a_wrong_run_is_pointed_at(
    admin: FlaskClient, nothing_changed: Callable[[], bool], body: Any, pointer: str
) -> None:
    answer = admin.post("/api/usage/process-billing", json=body)
    assert_problem(answer, 422)
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def assert_problem(answer: Any, status: int) -> None:
    """A problem as RFC 9457 has it, with what we add."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json.keys() >= {"type", "title", "status", "detail", "code", "requestId"}
    assert answer.json["requestId"] == answer.headers["X-Request-Id"]


def test_of_what_is_wrong_again_and_again_only_so_much_is_told(writer: FlaskClient, inbox: Inbox) -> None:
    """The answer to a large body that is all wrong is not larger still."""
    strange = {f"name{index}": index for index in range(500)}
    answer = writer.post("/api/usage/record/batch", json={"events": [EVENT | strange] * 60})
    assert answer.status_code == 422
    errors = answer.get_json()["errors"]
    assert len(errors) == 1000
    assert [sum(error["pointer"].startswith(f"/events/{index}/") for error in errors) for index in (0, 49)] == [20, 20]
    assert inbox.waiting() == 0
