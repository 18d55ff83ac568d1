"""The command line, for the commands of meters."""

from tests.integration.conftest import cli

__all__ = ["cli"]
