"""schemathesis: what the OpenAPI document promises, tried with values made from it, good and bad."""

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.state import state_of
from tests.api.conftest import Billed
from tests.support.callers import Keys

pytestmark = pytest.mark.fuzz

EXAMPLES = 15


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
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        try:
            promise()
        except Unsatisfiable:
            continue  # nothing to get wrong: it takes no parameter and no body
        except (Exception, BaseExceptionGroup) as error:
            broken.append(f"{operation.label}: {_all_of(error)}")
    assert broken == []


def _all_of(error: BaseException) -> str:
    """An error with those that it groups."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([str(error), *map(_all_of, inner)])
