"""schemathesis: what the OpenAPI document promises, tried with values made from it, good and bad."""

import os
import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.state import state_of
from tests.api.conftest import Billed
from tests.support.callers import Keys

pytestmark = pytest.mark.fuzz

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "15"))

# Codes of what no document can say beforehand: that depends on what is stored, or on another field of the request.
OF_THINGS_THAT_ARE_THERE = frozenset(
    {
        *("unknown_customer", "unknown_plan", "unknown_subscription", "unknown_usage_type", "other_plan"),
        "unknown_event",
        *("other_currency", "contradiction", "out_of_order", "too_far_back", "unbounded"),
    }
)
# Of what the document allows, some is refused for a reason that a schema cannot tell.
IN_WORDS = frozenset(
    {
        *("unknown_currency", "unknown_zone", "unknown_country", "not_a_language", "not_an_iban", "not_an_address"),
        "not_a_tax_id",
        *("address_refused", "bad_cursor", "not_supported"),
    }
)
# Bounds of times, places of numbers, lines of alerts, what a price, metadata or an expression may hold: the document
# says them in words.
_TOLD = re.compile(
    "must (have at most [0-9]+ decimal places|be between 1970|lie between 2000|"
    "be after (from|version [0-9]+ begins)|(not )?be in the future|"
    "be more than 0, and at most (100|1000000000000000)$|be greater than each threshold)"
)
# How large such a number is, and how fine, a pattern cannot tell.
_SCALED = re.compile("[0-9][eE][+-]?[0-9]+$")
_INNER = re.compile(
    "(/events/[0-9]+)?/metadata|(/quotas/[0-9]+)?/price(/|$)|(/series/[0-9]+)?/(where|value|dimensions|quantityFrom)(/|$)"
)
# Of several fields one is required; a level needs its own, a percentile its percentage, tax by rules a tax id, and
# money of several plans or wallets a currency.
_ONE_OF_SEVERAL = frozenset(
    (name, "required")
    for name in (
        "",
        "/unitPrice",
        "/quantity",
        "/endedAt",
        "/subscriptionId",
        "/mode",
        "/per",
        "/of",
        "/window/percent",
        "/taxId",
        "/currency",
    )
)


def _is_foreseeable(error: dict[str, Any], body: Any) -> bool:
    """Whether the document could have told that this is refused of ``body``."""
    where, code = error.get("pointer", ""), error["code"]
    given = _at(body, where)
    if code == "not_a_decimal" and isinstance(given, str) and _SCALED.search(given):
        return False
    if error.get("parameter") == "dimensions":  # a text that has to be JSON
        return False
    if (
        code in OF_THINGS_THAT_ARE_THERE | IN_WORDS
        or (re.sub("^/(quotas|events)/[0-9]+", "", where), code) in _ONE_OF_SEVERAL
    ):
        return False
    return not (_INNER.match(where) or (code in {"out_of_range", "not_a_decimal"} and _TOLD.match(error["detail"])))


def _at(body: Any, pointer: str) -> Any:
    """What ``body`` has there, of names that need no escaping; None for nothing."""
    for name in pointer.split("/")[1:]:
        if isinstance(body, list) and name.isdigit() and int(name) < len(body):
            body = body[int(name)]
        else:
            body = body.get(name) if isinstance(body, dict) else None
    return body


@schemathesis.check
def takes_what_it_promises(_: Any, response: Any, case: schemathesis.Case) -> None:
    """What the document allows is refused for what is stored alone, and not for its form."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if response.status_code not in (400, 413, 415, 422):
        return
    body = response.json()
    if any(_is_foreseeable(error, case.body) for error in body.get("errors", [body])):
        raise AssertionError(f"the document allows it, and it is refused: {body}")


@pytest.mark.parametrize(
    ("changes", "foreseeable"),
    [
        ({"thresholds": ["0"]}, False),  # the stored alert is not on a balance
        ({"thresholds": ["1e-13"]}, False),
        ({"thresholds": ["x"]}, True),
        ({"thresholds": ["-1"]}, True),
    ],
)
@pytest.mark.usefixtures("billed")
def test_what_is_foreseeable(admin: FlaskClient, changes: dict[str, Any], foreseeable: bool) -> None:
    said = {"id": "al", "scope": {"all": True}, "on": "percent", "usageType": "assessment", "thresholds": ["80"]}
    assert admin.post("/api/alerts", json=said).status_code == 201
    (error,) = admin.patch("/api/alerts/al", json=changes).json["errors"]
    assert _is_foreseeable(error, changes) == foreseeable


@pytest.fixture
def api(app: Flask, billed: Billed, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The document, with the app behind it, in a world where something was recorded and billed."""
    # It tries wrong credentials as well, more often than an address may.
    monkeypatch.setattr(state_of(app).rates, "failures_per_minute", 10**6)
    return schemathesis.openapi.from_wsgi("/api/openapi.json", app)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_keeps_its_promises(api: Any, keys: Keys, mode: GenerationMode) -> None:
    headers = {"x-api-key": keys.admin}
    broken: list[str] = []
    for found in api.get_all_operations():
        operation = found.ok()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def promise(case: schemathesis.Case) -> None:
            # A made-up id is well-formed and not there: that is a 404 or a 422, and no fault.
            case.call_and_validate(
                headers=headers,
                excluded_checks=[positive_data_acceptance],
                additional_checks=[takes_what_it_promises],
            )

        try:
            promise()
        except Unsatisfiable:
            continue  # nothing to get wrong: it takes no parameter and no body
        except (Exception, BaseExceptionGroup) as error:
            broken.append(f"{operation.label}: {_all_of(error)}")
    assert not broken, "\n\n".join(broken)


def _all_of(error: BaseException) -> str:
    """An error with those that it groups."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([str(error), *map(_all_of, inner)])
