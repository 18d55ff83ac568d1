"""Errors as the programs of others read them: OpenMeter's, Lago's and Stripe's forms of our problems.

A refusal that is final has no ``Retry-After``, for some programs then repeat it. A throttled one says when to go on in
three ways, because each is the only one that some program reads.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from api.auth import public
from api.headers import RATE
from api.json_provider import json_response
from api.problems import from_error, from_unexpected
from api.state import this_request
from usage_billing.core.errors import NotFound, UsageBillingError

Form = Callable[[dict[str, Any]], Response]
_TOO_MANY, _BAD = 429, 400
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_ABOUT = "this call is not served here, see /api/docs/problems#not_served; docs/integrations.md lists those that are"
_STRIPE_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_LAGO_CODES = {422: "validation_errors"}


def speak(blueprint: Blueprint, form: Form, *, below: Sequence[str]) -> None:
    """Answer every error of ``blueprint`` in ``form``, and all addresses ``below`` that are not served as missing."""

    def known(error: UsageBillingError) -> Response:
        return _answer(from_error(error), form)

    def unexpected(error: Exception) -> Response:
        return _answer(from_unexpected(error), form)

    @public
    def not_served(rest: str) -> Response:  # noqa: ARG001  the rule has a place for it
        raise NotFound(_ABOUT, code="not_served")

    blueprint.register_error_handler(UsageBillingError, known)
    blueprint.register_error_handler(Exception, unexpected)
    for start in below:
        blueprint.add_url_rule(f"{start}/<path:rest>", "not_served", not_served, methods=_METHODS)


def openmeter_form(problem: dict[str, Any]) -> Response:
    """A problem as it is; a body of another type is a bad request."""
    status = _BAD if problem["status"] in {413, 415, 422} else problem["status"]
    answer = json_response(problem | {"status": status}, status=status)
    answer.headers["Content-Type"] = "application/problem+json"
    return answer


def lago_form(problem: dict[str, Any]) -> Response:
    """``{status, error, code, error_details}``."""
    status = problem["status"]
    body: dict[str, Any] = {"status": status, "error": HTTPStatus(status).phrase}
    body["code"] = _LAGO_CODES.get(status, problem["code"])
    details: dict[str, list[str]] = {}
    for field in problem.get("errors", ()):
        name = field.get("parameter") or field.get("pointer", "").rpartition("/")[2] or "body"
        details.setdefault(name, []).append(field["code"])
    return json_response(body | {"error_details": details or {"base": [problem["detail"]]}}, status=status)


def stripe_form(problem: dict[str, Any]) -> Response:
    """``{error: {type, code, message, param}}``."""
    status = _BAD if problem["status"] in {413, 415, 422} else problem["status"]
    error: dict[str, Any] = {"code": problem["code"], "message": problem["detail"]}
    error["type"] = _STRIPE_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")  # noqa: PLR2004
    fields = problem.get("errors", ())
    if fields:
        error["param"] = fields[0].get("parameter") or fields[0].get("pointer", "").removeprefix("/")
        error["message"] = f"{error['param']} {fields[0]['detail']}".strip()
    return json_response({"error": error}, status=status)


def _answer(problem: Response, form: Form) -> Response:
    answer = form(problem.get_json())
    for name, value in problem.headers.items():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    if problem.status_code == _TOO_MANY:
        limit, left, _ = this_request().environ.get(RATE, (0, 0, 0))
        answer.headers["x-ratelimit-limit"] = str(limit)
        answer.headers["x-ratelimit-remaining"] = str(left)
        answer.headers["x-ratelimit-reset"] = problem.headers["Retry-After"]
        answer.headers["Stripe-Should-Retry"] = "true"
    return answer
