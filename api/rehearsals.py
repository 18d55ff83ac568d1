"""Dry runs of changes of plans: a worker looks at every subscription, and the answer names the run that shows it."""

from collections.abc import Callable
from functools import partial

from flask import Response
from sqlalchemy.orm import Session

from api import enqueue
from api.json_provider import json_response
from api.state import state
from api.transactions import after_commit, writing
from usage_billing.billing_runs.models import BillingRun
from usage_billing.flows.administration.agree import Precaution
from usage_billing.wire.billing_run import STARTED_RUN
from usage_billing.wire.noun import show


def precaution(*, dry_run: bool, expected_digest: str | None) -> Precaution:
    """How careful a change is, by what the request says and by the settings."""
    within = state().settings.adjust_within
    return Precaution(dry_run=dry_run, expected_digest=expected_digest, adjust_within=within)


def rehearsed(opening: Callable[[Session], BillingRun]) -> Response:
    """The answer of a dry run that workers do: the run that ``opening`` opens."""
    with writing() as session:
        run = opening(session)
    after_commit(partial(enqueue.start_run, run.id))
    return json_response(show(STARTED_RUN, run), status=202)
