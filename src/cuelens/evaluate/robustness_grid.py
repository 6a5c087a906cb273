"""A grid of models and corpora: profiles of its cells, with speakers resampled or split.

What `cuelens.evaluate.robustness` compares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cuelens.errors import InputError
from cuelens.typing import BoolArray, FloatArray, IntArray

Correlation = Literal["pearson", "spearman"]
KEYS = ("model", "corpus", "emotion", "speaker", "clip")
FEW_SPEAKERS = 4
"""With fewer, clips are resampled and split too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The clips of one corpus.

    ``weights`` (n_models, n_clips, n_bands), normalised; ``emotion`` and ``speaker`` (n_clips,).
    """

    weights: FloatArray
    emotion: IntArray
    speaker: IntArray

    @property
    def n_speakers(self) -> int:
        return int(self.speaker.max()) + 1

    @property
    def has_few(self) -> bool:
        """Fewer speakers than can stand for others: their clips are resampled and split too."""
        return self.n_speakers < FEW_SPEAKERS

    @property
    def groups(self) -> list[IntArray]:
        """Clips of each speaker and emotion."""
        both = self.speaker * (int(self.emotion.max()) + 1) + self.emotion
        return [np.flatnonzero(both == one) for one in np.unique(both)]

    def unresampled(self) -> FloatArray:
        """Weights that make the mean over speakers of means over clips, shape (n_clips,)."""
        counts = np.empty(len(self.speaker))
        for group in self.groups:
            counts[group] = 1.0 / len(group)
        return counts

    def resampled(self, n: int, rng: np.random.Generator) -> FloatArray:
        """The same with speakers drawn with replacement, shape (n, n_clips)."""
        n_drawn = max(1, self.n_speakers - 1)  # one less, else the spread is too small
        drawn = rng.integers(self.n_speakers, size=(n, n_drawn))
        if not self.has_few:
            times = (drawn[:, :, None] == np.arange(self.n_speakers)).sum(axis=1)
            return times[:, self.speaker] * self.unresampled()
        found = np.zeros((n, len(self.speaker)))
        for slot in drawn.T:
            for group in self.groups:
                is_drawn = slot == self.speaker[group[0]]
                shares = np.full(len(group), 1.0 / len(group))
                counts = rng.multinomial(len(group), shares, size=n) / len(group)
                found[:, group] += is_drawn[:, None] * counts
        return found

    def halves(self, counts: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Split what is drawn into two parts at random, no speaker (or clip, if few) in both."""
        if self.has_few:
            first = np.zeros(counts.shape, dtype=bool)
            for group in self.groups:
                first[:, group] = _half(counts[:, group] > 0, rng)
        else:
            heard = np.zeros((len(counts), self.n_speakers), dtype=bool)
            for speaker in range(self.n_speakers):
                heard[:, speaker] = (counts[:, self.speaker == speaker] > 0).any(axis=1)
            first = _half(heard, rng)[:, self.speaker]
        return counts * first, counts * ~first


def _half(present: BoolArray, rng: np.random.Generator) -> BoolArray:
    """A random half of what is present in each row; of an odd number, one more or one less."""
    order = np.where(present, rng.random(present.shape), np.inf).argsort(axis=1).argsort(axis=1)
    n = present.sum(axis=1) + rng.integers(2, size=len(present))
    return order < (n // 2)[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Weights of a grid; cell number = model * n_corpora + corpus."""

    models: tuple[str, ...]
    corpora: tuple[str, ...]
    emotions: tuple[str, ...]
    bands: tuple[str, ...]
    parts: tuple[Part, ...]
    valid: BoolArray  # (n_models, n_corpora)
    n_silent: int
    n_incomplete: int

    @classmethod
    def of(
        cls,
        weights: pd.DataFrame,
        bands: Sequence[str] | None,
        void: Collection[tuple[str, str]],
    ) -> Grid:
        missing = [name for name in (*KEYS, *(bands or ())) if name not in weights.columns]
        if missing:
            raise InputError(
                f"the table of weights has no column {', '.join(missing)}; expected "
                f"{', '.join(KEYS)} and one column a band"
            )
        names = tuple(bands or [str(name) for name in weights.columns if name not in KEYS])
        if len(names) < 3:
            raise InputError(f"{len(names)} bands; expected 3 or more: two always correlate fully")
        values = weights[list(names)].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise InputError("some weights are no numbers; expected finite ones: leave clips out")
        models, corpora, emotions = (
            tuple(dict.fromkeys(weights[name].astype(str))) for name in KEYS[:3]
        )
        emotions = tuple(sorted(emotions))
        if len(models) < 2 or len(corpora) < 2:
            raise InputError(
                f"{len(models)} models and {len(corpora)} corpora; expected two or more of each"
            )
        unknown = sorted({cell for cell in void if cell[0] not in models or cell[1] not in corpora})
        if unknown:
            raise InputError(f"void cell {unknown[0]} is not in the table; expected model, corpus")
        if weights.duplicated(["model", "corpus", "clip"]).any():
            raise InputError("some clip of a model and corpus is there twice; expected each once")
        valid = np.array([[(m, c) not in void for c in corpora] for m in models])
        parts, n_silent, n_incomplete = [], 0, 0
        for k, corpus in enumerate(corpora):
            rows = np.flatnonzero(weights["corpus"].astype(str) == corpus)
            part, silent, incomplete = _part(
                weights.iloc[rows], values[rows], models, emotions, valid[:, k]
            )
            parts.append(part)
            n_silent += silent
            n_incomplete += incomplete
            lacking = set(range(len(emotions))) - set(part.emotion.tolist())
            if lacking:
                raise InputError(
                    f"{corpus} has no clip of {emotions[min(lacking)]} that every model explained; "
                    "expected one or more of every emotion in every corpus"
                )
        found = cls(
            models=models,
            corpora=corpora,
            emotions=emotions,
            bands=names,
            parts=tuple(parts),
            valid=valid,
            n_silent=n_silent,
            n_incomplete=n_incomplete,
        )
        for what in ("models", "corpora"):
            if not len(found.pairs(what)):
                raise InputError(
                    f"no two {what} are left to compare; expected fewer void cells: "
                    f"{', '.join('/'.join(cell) for cell in sorted(void)) or 'none'}"
                )
        return found

    @property
    def n_cells(self) -> int:
        return len(self.models) * len(self.corpora)

    def cell_name(self, cell: int | np.integer[Any]) -> tuple[str, str]:
        """Model and corpus."""
        model, corpus = divmod(int(cell), len(self.corpora))
        return self.models[model], self.corpora[corpus]

    def cells(self) -> Iterator[tuple[str, str, str, int, int]]:
        """Cells that count: model, corpus, emotion, and the numbers of cell and emotion."""
        for cell in np.flatnonzero(self.valid.ravel()):
            for e, emotion in enumerate(self.emotions):
                yield *self.cell_name(cell), emotion, int(cell), e

    def pairs(self, what: str) -> IntArray:
        """Cells of the same corpus (``"models"``) or model (``"corpora"``), shape (n_pairs, 2)."""
        cells = np.flatnonzero(self.valid.ravel())
        model, corpus = np.divmod(cells, len(self.corpora))
        fixed = corpus if what == "models" else model
        first, second = np.triu_indices(len(cells), 1)
        same = fixed[first] == fixed[second]
        return np.column_stack([cells[first[same]], cells[second[same]]])

    def unresampled(self, n: int) -> list[FloatArray]:
        """What each clip of each corpus counts, the same in n rows."""
        return [np.tile(part.unresampled(), (n, 1)) for part in self.parts]

    def profiles(self, counts: Sequence[FloatArray]) -> FloatArray:
        """Profiles of cells, shape (n, n_cells, n_emotions, n_bands); NaN without clips."""
        n, n_bands = len(counts[0]), len(self.bands)
        shape = (n, len(self.models), len(self.corpora), len(self.emotions), n_bands)
        found = np.full(shape, np.nan)
        for k, (part, some) in enumerate(zip(self.parts, counts, strict=True)):
            for emotion in range(len(self.emotions)):
                of_emotion = part.emotion == emotion
                values = part.weights[:, of_emotion]
                drawn = some[:, of_emotion]
                total = drawn.sum(axis=1)
                sums = np.einsum("nk,mkb->nmb", drawn, values, optimize=True)
                mean = sums / np.where(total > 0, total, np.nan)[:, None, None]
                found[:, :, k, emotion] = mean
        return found.reshape(n, self.n_cells, len(self.emotions), n_bands)


def _part(
    rows: pd.DataFrame,
    values: FloatArray,
    models: tuple[str, ...],
    emotions: tuple[str, ...],
    valid: BoolArray,
) -> tuple[Part, int, int]:
    """Clips of a corpus that every model which counts has explained, and how many are left out."""
    clips = rows.drop_duplicates("clip").sort_values("clip")
    row_of = {
        (str(model), str(clip)): i
        for i, (model, clip) in enumerate(zip(rows["model"], rows["clip"], strict=True))
    }
    needed = [model for model, counts in zip(models, valid, strict=True) if counts]
    total = np.abs(values).sum(axis=1)
    kept, silent, incomplete = [], 0, 0
    for place, clip in enumerate(clips["clip"].astype(str)):
        found = [row_of.get((model, clip)) for model in needed]
        if None in found:
            incomplete += 1
        elif any(total[row] == 0 for row in found if row is not None):
            silent += 1
        else:
            kept.append(place)
    shown = clips.iloc[kept]
    stack = np.zeros((len(models), len(kept), values.shape[1]))
    for i, model in enumerate(models):
        for j, clip in enumerate(shown["clip"].astype(str)):
            row = row_of.get((model, clip))
            if row is not None and total[row] > 0:
                stack[i, j] = values[row] / total[row]
    speakers = np.unique(shown["speaker"].astype(str), return_inverse=True)[1]
    part = Part(
        weights=stack,
        emotion=np.array([emotions.index(str(name)) for name in shown["emotion"]], dtype=int),
        speaker=speakers.astype(int),
    )
    return part, silent, incomplete


def unit_vectors(values: FloatArray, correlation: Correlation) -> FloatArray:
    """Vectors whose products are correlations; 0 where all values are alike."""
    if correlation == "spearman":
        missing = np.isnan(values).any(axis=-1, keepdims=True)
        values = np.where(missing, np.nan, rankdata(values, axis=-1))
    centred = values - values.mean(axis=-1, keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=-1, keepdims=True))
    smallest = 1e-12  # rounding, where weights are shares that add up to 1
    return np.where(norm < smallest, 0.0, centred / np.maximum(norm, smallest))


def similarity(
    grid: Grid,
    counts: Sequence[FloatArray],
    rng: np.random.Generator | None,
    correlation: Correlation,
) -> FloatArray:
    """Correlations of profiles, shape (n, n_emotions, n_cells, n_cells).

    With a generator, of profiles from one random half of each corpus with profiles from the other;
    the diagonal is then the agreement of each cell with itself.
    """
    if rng is None:
        first = second = unit_vectors(grid.profiles(counts), correlation)
    else:
        pairs = [part.halves(some, rng) for part, some in zip(grid.parts, counts, strict=True)]
        first, second = (
            unit_vectors(grid.profiles([pair[side] for pair in pairs]), correlation)
            for side in (0, 1)
        )
    found = np.einsum("nieb,njeb->neij", first, second, optimize=True)
    return (found + np.swapaxes(found, -1, -2)) / 2


def nanmean(values: FloatArray, axis: int) -> FloatArray:
    """Mean of what is a number; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=axis)
    n = known.sum(axis=axis)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)
