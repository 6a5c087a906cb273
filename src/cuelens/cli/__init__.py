"""The command line."""

from cuelens.cli.main import main

__all__ = ["main"]
