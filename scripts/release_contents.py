"""What a wheel and an sdist must hold and must not: ``python scripts/release_contents.py FILE``."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_MB = 8.0
NEVER = ("*__pycache__*", "*.pyc", "*.pkl", "*.pt", "*/_build/*", "*.venv/*", "*/.git/*", "*.wav")
IN_WHEEL = (
    *("cuelens/py.typed", "cuelens/demo_clips/clips.json", "cuelens/cues/expert_table.csv"),
    *("cuelens/models/bundled/emodb-cnn/model.onnx", "cuelens/report/templates/clip_report.html"),
    *("cuelens/models/bundled/emodb-egemaps/model.skops", "cuelens/app/static/app.css"),
    *("cuelens/testing/__init__.py", "cuelens-*.dist-info/licenses/LICENSE"),
    "cuelens-*.dist-info/entry_points.txt",
)
IN_SDIST = (
    *("PKG-INFO", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"),
    *("constraints.txt", "constraints-minimal.txt", "Makefile", "docs/index.md"),
    *(
        "tests/conftest.py",
        "examples/cuelens-example-plugin/pyproject.toml",
        "src/cuelens/py.typed",
    ),
)


def names_of(file: Path) -> list[str]:
    """Files in an archive, those of an sdist without its top folder."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return wheel.namelist()
    with tarfile.open(file) as sdist:
        members = [member.name for member in sdist if member.isfile()]
    return [name.partition("/")[2] for name in members]


def faults(file: Path) -> list[str]:
    """What is wrong with an archive."""
    names, is_wheel = names_of(file), file.suffix == ".whl"
    found = [f"holds {name}" for name in names for wrong in NEVER if fnmatch(name, wrong)]
    for wanted in IN_WHEEL if is_wheel else IN_SDIST:
        if not any(fnmatch(name, wanted) for name in names):
            found.append(f"lacks {wanted}")
    folder = ROOT / "src"
    for source in folder.rglob("*"):
        name = source.relative_to(folder).as_posix()
        if source.is_file() and "__pycache__" not in name and "egg-info" not in name:
            wanted = name if is_wheel else f"src/{name}"
            found += [] if wanted in names else [f"lacks {wanted}"]
    if is_wheel:
        strangers = [n for n in names if not fnmatch(n, "cuelens/*") and ".dist-info/" not in n]
        found += [f"holds {name}" for name in strangers]
        with zipfile.ZipFile(file) as wheel:
            path = next(name for name in names if name.endswith("METADATA"))
            metadata = Parser().parsestr(wheel.read(path).decode())
        if metadata["License-Expression"] != "Apache-2.0":
            found.append(f"states the licence {metadata['License-Expression']}")
        if f"-{metadata['Version']}-" not in file.name:
            found.append(f"is of version {metadata['Version']}")
    size_mb = file.stat().st_size / 1e6
    if size_mb > MOST_MB:
        found.append(f"is {size_mb:.1f} MB large; expected {MOST_MB:.0f} MB at most")
    return found


if __name__ == "__main__":
    wrong = {name: faults(Path(name)) for name in sys.argv[1:]}
    for name, found in wrong.items():
        print(f"{Path(name).name}: {len(names_of(Path(name)))} files, {'; '.join(found) or 'good'}")
    sys.exit(any(wrong.values()))
