"""``usage-billing listen``: events as they come, for developers."""

from __future__ import annotations

import time

import click

from usage_billing.cli.frame.database import connected
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import tell
from usage_billing.wire.event_type import EventType

_LOOK_SECONDS = 1.0


@click.command(epilog=example("listen --forward-to http://127.0.0.1:8000/hooks"))
@click.option("--forward-to", "url", help="Post each event there, signed, as an endpoint would get it.")
@click.option(
    "--type",
    "types",
    type=click.Choice(list(map(str, EventType))),
    multiple=True,
    metavar="TYPE",
    help="Only of this type; repeatable.",
)
@click.option("--secret", help="Sign with this one; a new one is made and shown unless given.")
@click.option("--seconds", type=click.IntRange(1, 86_400), help="For so long; until Ctrl-C unless given.")
def command(*, url: str | None, types: tuple[str, ...], secret: str | None, seconds: int | None) -> None:
    """Print events as they come, and forward them to a program that you write. Nothing is tried twice."""
    from usage_billing.core.clock import utc_now
    from usage_billing.core.errors import InvalidInput
    from usage_billing.flows.delivering.listen import Listener
    from usage_billing.webhooks.signing import is_secret, make_secret

    if secret is not None and not is_secret(secret):
        raise InvalidInput.field("/secret", "must be whsec_ and 24 to 64 bytes in base64", code="weak_secret")
    signing = secret or make_secret()
    with connected() as (_, engine):
        listener = Listener(engine, url=url, secret=signing, types=types or None)
        if url is not None and secret is None:
            tell(f"Verify with {signing}")
        tell("Listening; the workers number what happens within 5 s. Ctrl-C ends it.")
        ends = None if seconds is None else time.monotonic() + seconds
        while ends is None or time.monotonic() < ends:
            for heard in listener.hear(now=utc_now()):
                click.echo(f"{heard.at}  {heard.type:<28} {heard.id}  {heard.answer}".rstrip())
            time.sleep(_LOOK_SECONDS)
