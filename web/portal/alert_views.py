"""The addresses of alerts in the portal. A change goes back to the list; what is wrong stands beside its field."""

from collections.abc import Callable
from typing import Any

from flask import Response

from api.problems import from_error
from api.state import state
from usage_billing.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from web.pages import see_other
from web.portal import alerts, shown
from web.portal.alerts import Given
from web.portal.blueprint import blp
from web.portal.gate import visiting
from web.portal.visit import Visit

_WRONG = 422


@blp.get("/alerts")
@visiting("alerts")
def show_alerts(visit: Visit) -> Response:
    """What is watched, and what was told."""
    shown.query_of()
    return shown.framed(visit, "alerts", "alerts", **alerts.alerts(visit))


@blp.get("/alerts/new")
@visiting("alerts")
def ask_new_alert(visit: Visit) -> Response:
    """The form of a new alert, where a plan allows one."""
    shown.query_of()
    return shown.framed(visit, "alerts", "alert_form", **alerts.form(visit))


@blp.post("/alerts/new")
@visiting("alerts")
def make_alert(visit: Visit) -> Response:
    """Make the alert that was typed."""
    given, values = alerts.read(visit)
    return _done(visit, given, lambda: alerts.create(visit, given, values), lambda again: alerts.form(visit, again))


@blp.get("/alerts/<identifier:alert_id>/change")
@visiting("alerts")
def ask_changed_alert(visit: Visit, alert_id: str) -> Response:
    """The form of an alert of the customer's own."""
    shown.query_of()
    return shown.framed(visit, "alerts", "alert_form", **alerts.form_of(visit, alert_id))


@blp.post("/alerts/<identifier:alert_id>/change")
@visiting("alerts")
def change_alert(visit: Visit, alert_id: str) -> Response:
    """Change the alert as it was typed."""
    alerts.form_of(visit, alert_id)
    given, values = alerts.read(visit)
    return _done(
        visit,
        given,
        lambda: alerts.change(visit, alert_id, values),
        lambda again: alerts.form_of(visit, alert_id, again),
    )


@blp.get("/alerts/<identifier:alert_id>/end")
@visiting("alerts")
def ask_end_of_alert(visit: Visit, alert_id: str) -> Response:
    """Whether an alert of the customer's own is to end."""
    shown.query_of()
    return shown.framed(visit, "alerts", "alert_end", rule=alerts.own(visit, alert_id))


@blp.post("/alerts/<identifier:alert_id>/end")
@visiting("alerts")
def end_alert(visit: Visit, alert_id: str) -> Response:
    """End it."""
    alerts.end(visit, alert_id)
    return _back(visit)


def _done(visit: Visit, given: Given, do: Callable[[], object], form: Callable[[Given], dict[str, Any]]) -> Response:
    """Do it, and go back to the list; or show the form again with what is wrong, and change nothing."""
    status = _WRONG
    if not given.wrong:
        try:
            do()
        except (InvalidInput, NotFound, Forbidden, Conflict) as error:
            given, status = alerts.refused(visit, given, error), from_error(error).status_code
        else:
            return _back(visit)
    return shown.framed(visit, "alerts", "alert_form", status=status, **form(given))


def _back(visit: Visit) -> Response:
    return see_other(shown.address(visit, "alerts"), framed_by=state().settings.framing_origins)
