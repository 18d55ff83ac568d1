"""``usage-billing up``: the whole system on this machine, on embedded servers unless URLs are given."""

from dataclasses import replace
from pathlib import Path

import click

from usage_billing.cli.frame.environment import load_environment


@click.command("up", epilog="\b\nExample:\n  usage-billing up --port 8080 --with-flower")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API; else PORT; else 5003 or a free one.")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Folder of the embedded data.")
@click.option("--no-seed", is_flag=True, help="Leave an empty database empty: no example catalogue.")
@click.option("--with-flower", is_flag=True, help="Start Flower too, on the loopback and behind a password.")
@click.option("--without-web", is_flag=True, help="Serve the API alone: no pages for customers, no first page.")
def up(*, port: int | None, home: Path | None, no_seed: bool, with_flower: bool, without_web: bool) -> None:
    """Start everything: PostgreSQL, Redis, the API, a worker and beat. Ctrl-C stops it; the data stay.

    DATABASE_URL, REDIS_URL and CELERY_BROKER_URL, in the environment or in .env, replace the embedded parts.
    """
    from usage_billing.brand.reading import read_brand
    from usage_billing.cli.stack.run import Stack
    from usage_billing.settings import Settings

    load_environment(running=False)
    given = Settings.from_environment()
    settings = replace(
        given,
        port=port or given.port,
        home=(home or given.home).absolute(),
        logs=given.logs.absolute(),
    )
    read_brand(settings.brand_file)  # what is wrong with it ends the start before anything runs
    Stack(settings, seed=not no_seed, with_flower=with_flower, with_web=not without_web).run()
