"""``import cuelens`` and ``cuelens --help`` load nothing heavy; times are in benchmarks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from benchmarks.start_up import HEAVY

IMPORT = "import cuelens"
HELP = """
import sys
from cuelens.cli import main
sys.argv = ["cuelens", *{arguments!r}]
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""


def loaded(program: str) -> set[str]:
    program += (
        "\nprint('\\n' + ' '.join(sys.modules))"
        if "sys" in program
        else ("\nimport sys; print(' '.join(sys.modules))")
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "program",
    [
        IMPORT,
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["explain", "--help"]),
        HELP.format(arguments=["--version"]),
    ],
    ids=["import", "help", "explain --help", "version"],
)
def test_nothing_heavy_is_loaded(program):
    found = loaded(program)
    assert "cuelens" in found
    assert not found & set(HEAVY)


def test_the_test_would_see_it():
    assert loaded("import cuelens; cuelens.EmoLime") & set(HEAVY)


def test_every_public_name_is_there():
    import cuelens

    for name in cuelens.__all__:
        assert getattr(cuelens, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'EmoLine'"):
        _ = cuelens.EmoLine
    assert set(cuelens.__all__) <= set(dir(cuelens))
