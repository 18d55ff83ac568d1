"""Warns at a worker's start of each setting that could lose an accepted recording."""

import logging

import psycopg

from usage_billing.core.errors import UsageBillingError
from usage_billing.reports.doctor.diagnosis import check_durability
from usage_billing.reports.doctor.finding import OK
from usage_billing.settings import Settings

_log = logging.getLogger(__name__)


def warn_of_loss(settings: Settings) -> None:
    """Log a warning for each finding of the doctor about the inbox; never raises."""
    try:
        for finding in check_durability(settings):
            if finding.state != OK:
                _log.warning("%s; cure: %s", finding.message, finding.cure)
    except (OSError, ValueError, psycopg.Error, UsageBillingError) as error:
        _log.warning("the inbox could not be asked whether it keeps what it accepts: %s", error)
