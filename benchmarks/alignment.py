"""How well two clips of one sentence are aligned: ``python -m benchmarks.alignment``.

Pairs of EmoDB clips of one sentence, and the boundaries of speech sounds that people marked in both
(the labels of EmoDB, where the same sounds follow each other in the two).  Beside dynamic time
warping: one clip stretched to the length of the other.  Writes ``results/alignment.json``.
"""

from __future__ import annotations

import difflib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cuelens import load_audio, load_corpus
from cuelens.explain.time_warping import align
from cuelens.provenance import versions
from cuelens.units.emodb_labels import find_emodb_labels

RESULTS = Path(__file__).parent / "results"
N_PAIRS = 8  # of each of the ten sentences


def main() -> None:
    found = measure()
    (RESULTS / "alignment.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown_alignment(found))


def measure() -> dict[str, Any]:
    """Distances of aligned boundaries from the marked ones, over all pairs."""
    files = {Path(file).stem: Path(file) for file in load_corpus("emodb").table["file"]}
    labels = find_emodb_labels(next(iter(files.values()))).parent
    stems = sorted(stem for stem in files if (labels / f"{stem}.lablaut").is_file())
    random = np.random.default_rng(0)
    aligned: list[float] = []
    stretched: list[float] = []
    pairs: list[tuple[str, str]] = []
    for sentence in sorted({stem[2:5] for stem in stems}):
        same = np.array([stem for stem in stems if stem[2:5] == sentence])
        pairs += pairwise(random.permutation(same)[: N_PAIRS + 1].tolist())
    for one, other in pairs:
        clips = [load_audio(files[stem]) for stem in (one, other)]
        marks = [boundaries(labels / f"{stem}.lablaut") for stem in (one, other)]
        found = align(*clips)
        ratio = clips[1].duration_s / clips[0].duration_s
        for first_s, second_s in in_both(*marks):
            aligned.append(abs(float(found.to_second(first_s)) - second_s))
            stretched.append(abs(first_s * ratio - second_s))
    return {
        "n_pairs": len(pairs),
        "n_two_speakers": sum(one[:2] != other[:2] for one, other in pairs),
        "n_two_emotions": sum(one[5] != other[5] for one, other in pairs),
        "n_boundaries": len(aligned),
        "aligned": _summary(aligned),
        "stretched": _summary(stretched),
        "versions": versions(),
    }


def boundaries(file: Path) -> list[tuple[float, str]]:
    """Ends of speech sounds in seconds and their names, from a label file of EmoDB."""
    rows = (
        re.match(r"\s+([\d.]+)\s+-1\s*(\S*)", row)
        for row in file.read_text(encoding="latin1").splitlines()
    )
    return [(float(row[1]), row[2].lstrip("_!")) for row in rows if row]


def in_both(
    first: list[tuple[float, str]], second: list[tuple[float, str]]
) -> list[tuple[float, float]]:
    """Times of boundaries between two sounds that follow each other in both clips."""
    names = [[name for _, name in marks] for marks in (first, second)]
    matcher = difflib.SequenceMatcher(None, *names, autojunk=False)
    return [
        (first[i + k][0], second[j + k][0])
        for i, j, n in matcher.get_matching_blocks()
        for k in range(n - 1)  # the last of a run may be followed by something else
    ]


def _summary(errors_s: list[float]) -> dict[str, float]:
    return {
        "median_ms": 1000 * float(np.median(errors_s)),
        "within_50_ms": float(np.mean(np.array(errors_s) < 0.05)),
    }


def markdown_alignment(results: dict[str, Any]) -> str:
    """The figures as they stand in the documentation."""
    lines = ["| how | median error | within 50 ms |", "|---|---|---|"]
    for name, title in (
        ("aligned", "dynamic time warping"),
        ("stretched", "one clip stretched to the length of the other"),
    ):
        row = results[name]
        lines.append(f"| {title} | {row['median_ms']:.0f} ms | {100 * row['within_50_ms']:.0f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
