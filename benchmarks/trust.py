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
_PLANTED = "evaluate planted --detector cnn"
_SMALL = "--corpus emodb-2s --explainer shapley --explainer shapley-windows"

COMMANDS = {
    "planted_emodb-bands": (
        f"{_PLANTED} --detector egemaps --corpus emodb --edit band-noise --test 20"
    ),
    "planted_ravdess-bands": (
        f"{_PLANTED} --detector egemaps --corpus ravdess --edit band-noise --test 20"
    ),
    "planted_ravdess-compare": (
        "evaluate planted --detector compare --corpus ravdess --edit band-noise --bands 3 "
        "--clips 60 --test 10 --explainer shapley --explainer lime"
    ),
    "planted_emodb-published": (
        f"{_PLANTED} --detector egemaps --corpus emodb --edit band-noise --bands 3 --test 8 "
        "--explainer published --explainer lime-64 --explainer shapley"
    ),
    "planted_emodb-moment-edits": (
        f"{_PLANTED} --corpus emodb --edit moment-gain --edit moment-f0 --test 12"
    ),
    "planted_emodb-moments": f"{_PLANTED} --corpus emodb --edit moment-noise --test 20",
    "planted_ravdess-moments": f"{_PLANTED} --corpus ravdess --edit moment-noise --test 20",
    "planted_ravdess-shuffled": (
        f"{_PLANTED} --corpus ravdess --edit band-noise --bands 3 --shuffled 4 --clips 40 --test 4 "
        "--explainer shapley --explainer lime --explainer lrp --explainer grad-cam "
        "--explainer integrated-gradients"
    ),
    "planted-cues_emodb": "evaluate planted-cues --corpus emodb --clips 160 --test 30",
    "faithfulness_fills": f"evaluate faithfulness {_SMALL} --explainer grad-cam --clips 8",
    "stability_emodb-2s": f"evaluate stability {_SMALL} --explainer lrp --clips 6",
    "sanity_emodb-2s": f"evaluate sanity {_SMALL} --explainer lrp --clips 6",
    "reproduce_emolime": "reproduce emolime --clips 6",
    "reproduce_beyond-saliency": (
        "reproduce beyond-saliency --corpus tess --clips 105 "
        "--model resnetsmall:resnetsmall_tess.pth"
    ),
}
"""Arguments of ``cuelens`` by the name of the result; add ``--out build/trust/NAME``."""


_FILES = {"planted-cues": "planted_cues", "reproduce": "reproduction"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/trust"))
    options = parser.parse_args()
    for name, command in COMMANDS.items():
        kind = name.split("_")[0]
        file = options.work / name / f"{_FILES.get(kind, kind)}.json"
        if not file.is_file():
            print(f"{file}: not there: cuelens {command} --out {file.parent}")
            continue
        content = json.loads(file.read_text(encoding="utf-8"))
        if kind == "reproduce":
            content = {
                key: content[key] for key in ("summary", "verdicts", "agreement", "versions")
            }
        (RESULTS / f"trust_{name}.json").write_text(
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


def markdown_stability(results: dict[str, Any]) -> str:
    """Rank correlation of explanations before and after each change."""
    rows = [row for row in results["summary"] if row["measure"] == "rank_correlation"]
    return _by_explainer(rows, "perturbation", "change")


def markdown_cues(results: dict[str, Any]) -> str:
    """How often the cue table names the edited cue first, and probing calls it used."""
    lines = [
        "| edit | cue | whole clip: first | instead | in moments: first | untouched | instead "
        "| probing: used, of draws |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sizes = {row["edit"]: row["size"] for row in results["models"]}
    probing = {row["edit"]: row for row in results["probing"]}
    for row in results["cue_table"]:
        probe = probing[row["edit"]]
        lines.append(
            f"| {sizes[row['edit']]} | {row['cue']} | {row['clip_first']:.0%} "
            f"({row['clip_first_low']:.0%} to {row['clip_first_high']:.0%}) of {row['n_clips']} "
            f"| {_rival(row, 'clip_rival')} | {row['first']:.0%} "
            f"({row['first_low']:.0%} to {row['first_high']:.0%}) "
            f"| {row['untouched_first']:.0%} | {_rival(row, 'rival')} "
            f"| {probe['used']} of {probe['n_draws']} |"
        )
    return "\n".join(lines)


def _rival(row: dict[str, Any], kind: str) -> str:
    return f"{row[kind]} ({row[f'{kind}_share']:.0%})" if row[kind] else "–"


def markdown_summary(results: dict[str, Any]) -> str:
    """What a procedure that was run again says of itself."""
    return "\n".join(f"- {sentence}" for sentence in results["summary"])


def markdown_fills(results: dict[str, Any]) -> str:
    """Deletion area minus that of random order, and the share of random orders beaten."""
    rows = results["summary"]
    names = list(dict.fromkeys(row["explainer"] for row in rows))
    fills = list(dict.fromkeys(row["fill"] for row in rows))
    lines = ["| explainer | " + " | ".join(fills) + " |", "|---" * (1 + len(fills)) + "|"]
    for name in names:
        cells = []
        for fill in fills:
            own = {
                row["measure"]: row
                for row in rows
                if row["explainer"] == name and row["fill"] == fill
            }
            area, share = own["deletion_area"], own["percentile_deletion"]
            cells.append(
                f"{area['minus_random']:+.2f} ({area['minus_random_low']:+.2f} to "
                f"{area['minus_random_high']:+.2f}), {share['mean']:.0%}"
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown_sanity(results: dict[str, Any]) -> str:
    """Rank correlation with the explanation of the network whose weights were all drawn again."""
    lines = ["| explainer | signed | absolute | verdict |", "|---|---|---|---|"]
    for name in results["verdicts"]:
        own = {row["kind"]: row for row in results["tests"] if row["explainer"] == name}
        cells = " | ".join(_mean(own[kind]) for kind in ("signed", "absolute"))
        lines.append(f"| {name} | {cells} | {results['verdicts'][name]} |")
    return "\n".join(lines)


def _by_explainer(rows: list[dict[str, Any]], column: str, title: str) -> str:
    names = list(dict.fromkeys(row["explainer"] for row in rows))
    lines = [f"| {title} | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for value in dict.fromkeys(row[column] for row in rows):
        own = {row["explainer"]: row for row in rows if row[column] == value}
        cells = [_mean(own[name]) if name in own else "–" for name in names]
        lines.append(f"| {value} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(row: dict[str, Any]) -> str:
    if row["mean"] is None:
        return "–"
    return f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _share(row: dict[str, Any]) -> str:
    return f"{row['hit']:.0%} ({row['hit_low']:.0%} to {row['hit_high']:.0%})"


if __name__ == "__main__":
    main()
