"""How much faster two processes evaluate than one: ``python -m benchmarks.workers``.

Stability of exact band weights of the bundled network on clips of EmoDB, once on one worker and
once on two, one after the other; processes start within the time.  Writes ``results/workers.json``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from cuelens import EmoLime, load_corpus, load_model
from cuelens.evaluate import evaluate_stability
from cuelens.provenance import versions

RESULTS = Path(__file__).parent / "results"
N_CLIPS = 6


def main() -> None:
    corpus, model = load_corpus("emodb-2s"), load_model("emodb-cnn")
    seconds, frames = {}, {}
    for n_workers in (1, 2):
        began = time.perf_counter()
        found = evaluate_stability(
            corpus, model, {"shapley": EmoLime()}, n_clips=N_CLIPS, n_workers=n_workers
        )
        seconds[n_workers] = time.perf_counter() - began
        frames[n_workers] = found.frame
    results = {
        "n_clips": N_CLIPS,
        "seconds_one": seconds[1],
        "seconds_two": seconds[2],
        "ratio": seconds[1] / seconds[2],
        "same_results": bool(frames[1].equals(frames[2])),
        "versions": dict(versions()),
    }
    (RESULTS / "workers.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(
        f"{N_CLIPS} clips: {seconds[1]:.0f} s on one worker, {seconds[2]:.0f} s on two "
        f"({results['ratio']:.2f} times as fast)"
    )


if __name__ == "__main__":
    main()
