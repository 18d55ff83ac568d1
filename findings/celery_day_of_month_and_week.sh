#!/usr/bin/env bash
# A schedule with a day of the month and a day of the week
#
# Package:  celery 5.7.0, Python 3.11; croniter 7.0.0 for cron's reading
# Expected: `0 0 1 * 1` fires on every first of a month and on every Monday: POSIX has cron fire when either of the two
#           days holds, and celery's crontab takes cron's fields by cron's names.
# Seen:     celery fires only on a Monday that is a first: in June 2026, then not until February 2027.
# Matters:  an operator who writes "on the first, and on Mondays to catch up" for a billing run gets two runs a year and
#           no error. Invoices come out months late.
# Instead:  two schedule entries, one for each day.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "celery==5.7.0" "croniter==7.0.0"

cat >"$folder/expected" <<'OUTPUT'
cron:   Mon 2026-01-05, Mon 2026-01-12, Mon 2026-01-19, Mon 2026-01-26, Sun 2026-02-01
celery: Mon 2026-06-01, Mon 2027-02-01, Mon 2027-03-01, Mon 2027-11-01, Mon 2028-05-01
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import datetime, timezone

from celery import Celery
from celery.schedules import crontab
from croniter import croniter

START = datetime(2026, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
app = Celery(set_as_current=False)
app.conf.timezone = "UTC"


def celery_times():
    at = START
    while True:
        both = crontab(minute=0, hour=0, day_of_month=1, day_of_week=1, nowfun=lambda: at, app=app)
        at += both.remaining_estimate(at)
        yield at


cron, celery = croniter("0 0 1 * 1", START), celery_times()
print("cron:  ", ", ".join(f"{cron.get_next(datetime):%a %Y-%m-%d}" for _ in range(5)))
print("celery:", ", ".join(f"{next(celery):%a %Y-%m-%d}" for _ in range(5)))
PYTHON

diff "$folder/expected" "$folder/seen"
