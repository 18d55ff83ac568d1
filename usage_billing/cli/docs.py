"""``usage-billing docs``: the documentation that was installed with the program."""

import sysconfig
from pathlib import Path

import click

from usage_billing.cli.frame.listing import example
from usage_billing.core.errors import NotFound

_INSTALLED = Path(sysconfig.get_path("data")) / "share" / "usage-billing"
_CHECKED_OUT = Path(__file__).parents[2]


@click.command(epilog=example("docs", "docs operations | less"))
@click.argument("page", required=False)
def command(*, page: str | None) -> None:
    """List the pages of the documentation and where they are, or print PAGE.

    Beside them, in the folder deploy, are units for systemd, a container file and a compose file, and the
    configurations of nginx, PgBouncer, Prometheus and Grafana.
    """
    folder = documentation() / "docs"
    pages = {path.stem: path for path in sorted(folder.glob("*.md"))}
    if page is None:
        click.echo(f"In {folder}, and the files of {folder.with_name('deploy')}:")
        click.echo("\n".join(pages))
        return
    if page not in pages:
        raise NotFound(f"there is no page {page}: `usage-billing docs` lists them")
    click.echo(pages[page].read_text(encoding="utf-8"), nl=False)


def documentation() -> Path:
    """The folder of ``docs`` and ``deploy``: that of the installation, or of the sources. Raises NotFound."""
    for folder in (_CHECKED_OUT, _INSTALLED):
        if (folder / "docs" / "operations.md").is_file():
            return folder
    raise NotFound("the documentation was not installed with the program")
