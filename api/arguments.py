"""Bodies and queries, read strictly through marshmallow: an error names every wrong field by a pointer."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn, Protocol, TypeVar, cast

import marshmallow as ma
from flask import Request
from flask_smorest import Blueprint as SmorestBlueprint  # type: ignore[import-untyped]
from webargs.flaskparser import FlaskParser

from api.honoured import reads
from api.ingest.body import json_of, json_or_nothing_of
from api.schemas.base import field_errors
from api.schemas.output import output_of
from api.state import this_request
from usage_billing.core.errors import InvalidInput
from usage_billing.wire.noun import Noun

View = TypeVar("View", bound=Callable[..., Any])
_LONGEST_KEPT = 512
"""Bytes of the longest query that is kept."""


class Decorator(Protocol):
    """The type of a decorator that keeps the type of the view."""

    def __call__(self, view: View, /) -> View:
        """The view, decorated."""
        ...


class StrictParser(FlaskParser):
    """webargs, with our reader of JSON and our errors; unknown fields and parameters are refused."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE}

    def parse(self, argmap: Any, req: Request | None = None, *, location: str | None = None, **options: Any) -> Any:
        """What the schema ``argmap`` reads; with its ``reads_alike`` it reads equal queries once."""
        query = this_request().query_string if getattr(argmap, "reads_alike", False) else b""
        if location == "query" and 0 < len(query) <= _LONGEST_KEPT:
            return self._parse_alike(argmap, query)
        return super().parse(argmap, req, location=location, **options)

    @lru_cache(maxsize=256)  # noqa: B019  there is one parser
    def _parse_alike(self, schema: ma.Schema, _query: bytes) -> Any:
        return super().parse(schema, location="query")

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """The body; a schema with ``body_optional`` also takes none at all."""
        return json_or_nothing_of(req) if getattr(schema, "body_optional", False) else json_of(req)

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,  # noqa: ARG002
        schema: ma.Schema,  # noqa: ARG002
        *,
        error_status_code: int | None,  # noqa: ARG002
        error_headers: Mapping[str, str] | None,  # noqa: ARG002
    ) -> NoReturn:
        """Raises InvalidInput: pointers into the body, names of parameters."""
        messages = error.messages_dict
        fields = field_errors(messages.get("json", {})) + field_errors(messages.get("query", {}), start="?", between="")
        raise InvalidInput("the request has wrong fields; nothing was changed", fields=tuple(fields)) from error


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """A noun's views, parsed strictly. The methods are flask-smorest's, with types."""

    ARGUMENTS_PARSER = StrictParser()

    def route(self, rule: str, *, methods: list[str], **options: Any) -> Decorator:
        """Serve ``rule``."""
        return cast(Decorator, super().route(rule, methods=methods, **options))

    def arguments(self, schema: type[ma.Schema], *, location: str = "json", **options: Any) -> Decorator:
        """Read the body or the query by ``schema``, as the view's first argument."""
        parse, mark = super().arguments(schema(), location=location, **options), reads(location)
        return cast(Decorator, lambda view: mark(parse(view)))

    def response(self, status_code: int, noun: Noun, **options: Any) -> Decorator:
        """Show what the view returns as ``noun``."""
        return cast(Decorator, super().response(status_code, output_of(noun), **options))

    def alt_response(self, status_code: int, *, noun: Noun, **options: Any) -> Decorator:
        """Describe another answer, which shows ``noun``."""
        return cast(Decorator, super().alt_response(status_code, schema=output_of(noun), **options))

    def also_as(self, content_type: str) -> Decorator:
        """Describe that a caller who prefers it gets the answer of status 200 as text of this type."""
        described = super().alt_response(200, schema={"type": "string"}, content_type=content_type, success=True)
        return cast(Decorator, described)

    @staticmethod
    def doc(**options: Any) -> Decorator:
        """Add to the OpenAPI document."""
        return cast(Decorator, SmorestBlueprint.doc(**options))
