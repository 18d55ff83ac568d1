"""What every client for Python is put through; a program gives the calls, and this prints what the client told.

Arguments: the address, an address that loses its first answer, the key, a key for one request a minute.
"""

import asyncio
import json
import sys
import time

HELD_BACK = 3
"""Events until a key for one request a minute is refused, also where a minute turns meanwhile."""


def go_through(send, batch=None):
    """Try a repeat, a lost answer, a wrong key, throttling and bad events.

    ``send(address, key, case, bad=False)`` sends one event, which names the case, and raises what the client raises.
    ``batch(address, key, cases)`` sends many; the event of the case ``bad`` cannot be read.
    """
    address, losing, key, slow = sys.argv[1:5]
    told = {"repeat": attempt(send, address, key, "repeat") or attempt(send, address, key, "repeat")}
    told["lost"] = attempt(send, losing, key, "lost")
    if told["lost"]:
        send(losing, key, "lost")  # as its caller has to
    told["wrong"] = attempt(send, address, "wrong", "wrong")
    told["throttled"] = throttled(send, address, slow)
    told["waited"] = waited
    if told["throttled"]:
        send(address, key, "throttled")
    told["bad"] = attempt(send, address, key, "bad", bad=True)
    if batch:
        told["batch"] = attempt(batch, address, key, ["first", "bad", "last"])
    print(json.dumps(told))


def attempt(call, *arguments, **more):
    """None, or the class and the status of what the call raised."""
    try:
        call(*arguments, **more)
    except Exception as error:
        found = (getattr(error, name, None) for name in ("status_code", "http_status", "status"))
        return [type(error).__name__, next((one for one in found if isinstance(one, int)), None)]


waited = []
"""The seconds for which a throttled client would have waited until it gave up."""


def throttled(send, address, key):
    """What the client raised when it was held back; its waits are not waited for."""
    sleeps = time.sleep, asyncio.sleep

    async def note(seconds, *result):
        waited.append(seconds) if seconds else await sleeps[1](0)

    time.sleep, asyncio.sleep = waited.append, note
    try:
        for _ in range(HELD_BACK):
            told = attempt(send, address, key, "throttled")
            if told:
                return told
            waited.clear()  # this one got through, because a minute turned while it waited
    finally:
        time.sleep, asyncio.sleep = sleeps
