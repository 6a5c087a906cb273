"""``python -m cuelens``."""

from cuelens.cli import main

main()
