"""The OpenAPI 3.1 document: made from the views, their schemas and their rules."""

import http
import zlib
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask, Response
from flask_smorest import Api  # type: ignore[import-untyped]
from flask_smorest.utils import prepare_response  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from api import etags, event_schemas, examples, idempotency, locations, problems
from api.auth import rule_of
from api.ingest.native import HEADER
from api.json_provider import json_text
from api.problem_codes import MEDIA_TYPE
from api.schemas.fields import describe
from api.schemas.output import output_of
from usage_billing import __version__
from usage_billing.core.identifiers import IDENTIFIER_PATTERN
from usage_billing.wire.problem import PROBLEM

DOCUMENT = "usage_billing.openapi"
"""The name under which the extensions of the app have the packed document."""

_DESCRIPTION = """\
Record usage, read what was used, run billing, read invoices.

Quantities and money are exact decimals: numbers or strings in, strings out. Times are RFC 3339 with an offset in,
UTC out. Errors are `application/problem+json` with a stable `code`: see [problems](/api/docs/problems).

Lists page by `nextCursor`; a page has at most 1 MiB. What can be changed has an `ETag`, and is changed only if it still
has that where `If-Match` names it. `RateLimit` says how many requests the credential has left in this minute, in the
process that answered: `processes` of `RateLimit-Policy` count each for itself.
"""
_SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A service's key."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A service's key, or a user's JWT."},
}
_KEY = {
    "in": "header",
    "name": HEADER,
    "description": "Sent again with this key within a day, the request is done once and answered as it was first.",
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST, "pattern": "^[ -~]+$"},
}
_IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "The `ETag` that the thing had when it was read, or several with commas: if it has another by now,"
    " nothing is changed (412 `precondition_failed`).",
    "schema": {"type": "string", "minLength": 1, "pattern": f"^{etags.TAGS_PATTERN}$"},
}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The `ETag` of what the caller has, or several with commas: if it is still that, the answer is 304"
    " without a body.",
    "schema": {"type": "string", "minLength": 1, "pattern": f"^{etags.TAGS_PATTERN}$"},
}
_NOT_MODIFIED = {"description": "It is as `If-None-Match` says.", "headers": {"ETag": {"schema": {"type": "string"}}}}
_ETAG = {"description": "Stands for the thing as it is now; see `If-Match`.", "schema": {"type": "string"}}
_LOCATION = {"description": "Where that is which was made.", "schema": {"type": "string", "format": "uri-reference"}}
_TAGGED = ("200", "201")
_NO_CONTENT = (204, 304)


class IdentifierConverter(BaseConverter):
    """An identifier in a path; a text that cannot be one answers 404."""

    regex = IDENTIFIER_PATTERN
    part_isolating = True


class _Converter(OpenAPIConverter):
    """Describes schemas with what they say of themselves beside their fields."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """The JSON Schema of ``schema``."""
        made: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return made | getattr(schema, "openapi", {})


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class ProblemApi(Api):  # type: ignore[misc]
    """flask-smorest with problems for errors."""

    ERROR_SCHEMA = output_of(PROBLEM)

    def handle_http_exception(self, error: HTTPException) -> Response:
        """flask-smorest's one hook for errors."""
        return problems.from_http(error)

    def _register_responses(self) -> None:
        """Register the error answers as flask-smorest does, but with the media type of problems."""
        for status in http.HTTPStatus:
            self._register_response(status.name, status.phrase, error=status.value not in _NO_CONTENT)
        self._register_response("DEFAULT_ERROR", "A problem", error=True)

    def _register_response(self, name: str, description: str, *, error: bool) -> None:
        response: dict[str, Any] = {"description": description}
        if error:
            response["schema"] = self.ERROR_SCHEMA
        prepare_response(response, self.spec, MEDIA_TYPE)
        self.spec.components.response(name, response, lazy=True)


def init_app(app: Flask) -> ProblemApi:
    """Give ``app`` an API to register blueprints with."""
    app.url_map.converters["identifier"] = IdentifierConverter
    app.config |= {"API_TITLE": "Usage billing", "API_VERSION": __version__, "OPENAPI_VERSION": "3.1.0"}
    info = {"description": _DESCRIPTION}
    components = {"securitySchemes": _SECURITY_SCHEMES}
    api = ProblemApi(app, spec_kwargs={"info": info, "components": components, "marshmallow_plugin": _Plugin()})
    api.ma_plugin.converter.add_attribute_function(describe)
    pattern = {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$"}
    api.register_converter(IdentifierConverter, lambda _: pattern)
    return api


def document(app: Flask, api: ProblemApi) -> dict[str, Any]:
    """The whole document, with what each operation asks of its caller."""
    event_schemas.register(api)
    found: dict[str, Any] = api.spec.to_dict()
    found["webhooks"] = event_schemas.webhooks(found["components"]["schemas"])
    for rule in app.url_map.iter_rules():
        path = "/".join(f"{{{part.split(':')[-1][:-1]}}}" if "<" in part else part for part in rule.rule.split("/"))
        access = rule_of(app, rule.endpoint)
        for method in (rule.methods or set()) & {"GET", "POST", "PATCH", "PUT", "DELETE"}:
            operation = found["paths"].get(path, {}).get(method.lower())
            if operation is None:
                continue
            if not access.public and idempotency.is_keyed(rule.rule, [method]):
                operation.setdefault("parameters", []).append(_KEY)
            shows, takes = etags.has(app, rule.endpoint)
            if takes:
                operation.setdefault("parameters", []).append(_IF_MATCH)
            if shows and method == "GET":
                operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
                operation["responses"]["304"] = _NOT_MODIFIED
            for status, answer in operation["responses"].items():
                headers = {"ETag": _ETAG} if shows and status in _TAGGED else {}
                if status.isdigit() and locations.place_of(app, rule.endpoint, int(status)) is not None:
                    headers["Location"] = _LOCATION
                if headers:
                    answer["headers"] = headers
            operation["operationId"] = rule.endpoint.rpartition(".")[2]
            operation["security"] = [] if access.public else [{"apiKey": []}, {"bearer": []}]
            if not access.public:
                operation["x-scopes"] = list(access.scopes)
            _fill_in(operation)
    for item in found["paths"].values():
        for parameter in item.get("parameters", ()):
            _fill_in_parameter(parameter)
    return found


def packed(found: dict[str, Any]) -> bytes:
    """The document as an answer has it, compressed: as objects it would take a tenth of a process's memory."""
    return zlib.compress(json_text(found))


def unpacked(app: Flask) -> bytes:
    """The JSON text of the document of ``app``."""
    return zlib.decompress(app.extensions[DOCUMENT])


def _fill_in(operation: dict[str, Any]) -> None:
    """Give a body and parameters the values that a reader who tries the operation begins with."""
    body = operation.get("requestBody")
    if body is not None:
        for content in body["content"].values():
            content["example"] = examples.BODIES[operation["operationId"]]
    for parameter in operation.get("parameters", ()):
        _fill_in_parameter(parameter)


def _fill_in_parameter(parameter: dict[str, Any]) -> None:
    value = examples.PARAMETERS.get((parameter["in"], parameter["name"]))
    if value is not None:
        parameter["example"] = value
