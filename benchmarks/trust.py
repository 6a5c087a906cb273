"""How far to trust each method: the figures of the page, from the commands that make them.

Each of these writes a folder of results, and goes on where it stopped::

    cuelens evaluate planted --corpus ravdess --out build/trust/planted-ravdess ...

``python -m benchmarks.trust`` copies what the page shows from ``build/trust`` (or ``--work``) to
``benchmarks/results``.  The commands are in `COMMANDS`; together they take some hours.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_PLANTED = "--detector cnn --detector egemaps --edit band-noise --edit moment-noise --test 20"

COMMANDS = {
    "planted_ravdess": f"evaluate planted --corpus ravdess {_PLANTED}",
    "planted_emodb": f"evaluate planted --corpus emodb {_PLANTED}",
}
"""Arguments of ``cuelens`` by the name of the result; add ``--out build/trust/NAME``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/trust"))
    options = parser.parse_args()
    for name in COMMANDS:
        kind = name.split("_")[0]
        file = options.work / name / f"{kind}.json"
        if not file.is_file():
            print(f"{file}: not there: cuelens {COMMANDS[name]} --out {file.parent}")
            continue
        content = json.loads(file.read_text(encoding="utf-8"))
        (RESULTS / f"{name}.json").write_text(
            json.dumps(content, indent=1) + "\n", encoding="utf-8"
        )
        print(f"{name}: copied")


def markdown_planted(results: dict[str, Any], *, edit: str, shuffled: bool = False) -> str:
    """Hits of every explainer and kind of model for one edit, as it stands in the documentation."""
    rows = [
        row
        for row in results["shuffled_labels" if shuffled else "leaderboard"]
        if row["edit"] == edit
    ]
    models = list(dict.fromkeys(row["detector"] for row in rows))
    lines = [
        "| explainer | " + " | ".join(models) + " | chance |",
        "|---" * (2 + len(models)) + "|",
    ]
    for name in dict.fromkeys(row["explainer"] for row in rows):
        own = {row["detector"]: row for row in rows if row["explainer"] == name}
        cells = [_share(own[model]) if model in own else "–" for model in models]
        chance = next(iter(own.values()))["chance_hit"]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {chance:.0%} |")
    return "\n".join(lines)


def _share(row: dict[str, Any]) -> str:
    return f"{row['hit']:.0%} ({row['hit_low']:.0%} to {row['hit_high']:.0%})"


if __name__ == "__main__":
    main()
