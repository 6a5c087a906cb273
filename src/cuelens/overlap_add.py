"""Pitch and tempo of speech changed on its own waveform, period by period (TD-PSOLA).

The waveform is cut into periods, which are moved, repeated or left out, and added up again [1]_.
Unlike a vocoder, this gives the recording back exactly where nothing is changed.

References
----------
.. [1] E. Moulines, F. Charpentier, "Pitch-synchronous waveform processing techniques for
   text-to-speech synthesis using diphones", Speech Communication 9, 1990.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cuelens.typing import BoolArray, FloatArray, IntArray

_UNVOICED_S = 0.008  # length of the pieces of unvoiced sound
_SEARCH = 0.15  # of a period: how far a mark may be from where the pitch puts it
_LONGEST = 1.6  # periods: marks further apart than that have something unvoiced between them


class _Grain(NamedTuple):
    """A piece of sound: where it goes, where it is from, and how far it may reach either way."""

    at: int
    source: int
    left: int
    right: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Periods:
    """Speech as periods.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), float64
    sample_rate : int, Hz
    marks : ndarray, shape (n_marks,), int
        Samples at which periods begin, the first 0 and the last ``n_samples``; rising.
    voiced : ndarray, shape (n_marks - 1,), bool
        Whether what is between a mark and the next is a period of voice; else it is a piece of
        8 ms or so.
    """

    samples: FloatArray
    sample_rate: int
    marks: IntArray
    voiced: BoolArray

    @classmethod
    def of(
        cls, samples: FloatArray, *, sample_rate: int, f0_hz: FloatArray, hop_s: float
    ) -> Periods:
        """Find the periods of speech whose pitch is known.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
        sample_rate : int, Hz
        f0_hz : ndarray, shape (n_frames,), Hz
            Every ``hop_s``, from 0 s; 0 where unvoiced.
        hop_s : float, s
        """
        samples = np.asarray(samples, dtype=np.float64)
        upright = samples if np.mean(samples**3) >= 0 else -samples  # peaks are above 0
        length = np.divide(sample_rate, f0_hz, out=np.zeros_like(f0_hz), where=f0_hz > 0)

        def frame(sample: float) -> int:
            return min(int(sample / sample_rate / hop_s + 0.5), len(f0_hz) - 1)

        found: set[int] = set()
        for start, end in _runs(f0_hz > 0):
            first = round(start * hop_s * sample_rate)
            last = min(round(end * hop_s * sample_rate), samples.size)
            if last <= first:
                continue
            anchor = first + int(np.argmax(upright[first:last]))
            found.add(anchor)
            for way in (1, -1):
                at: int | None = anchor
                while at is not None:
                    inside = min(max(frame(at), start), end - 1)
                    at = _next_mark(upright, at, way * float(length[inside]))
                    if at is None or not first <= at < last:
                        break
                    found.add(at)
        marks, voiced = [0], []
        for mark in [*sorted(found - {0}), samples.size]:
            gap = mark - marks[-1]
            period = length[frame((marks[-1] + mark) / 2)]
            if len(marks) > 1 and 0 < gap <= _LONGEST * period:
                marks.append(mark)
                voiced.append(True)
                continue
            n = max(1, round(gap / (_UNVOICED_S * sample_rate)))
            marks += np.round(np.linspace(marks[-1], mark, n + 1)).astype(int)[1:].tolist()
            voiced += [False] * n
        return cls(
            samples=samples,
            sample_rate=sample_rate,
            marks=np.array(marks, dtype=int),
            voiced=np.array(voiced, dtype=bool),
        )

    @property
    def f0_hz(self) -> FloatArray:
        """Pitch of each period, 0 where unvoiced, shape (n_marks - 1,)."""
        return np.where(self.voiced, self.sample_rate / np.diff(self.marks), 0.0)

    def resynthesised(
        self, *, pitch: FloatArray | float = 1.0, tempo: FloatArray | float = 1.0
    ) -> FloatArray:
        """The speech with other pitch and tempo.

        Parameters
        ----------
        pitch : ndarray, shape (n_marks - 1,), or float
            By what the pitch of each period is multiplied; without meaning where unvoiced.
        tempo : ndarray, shape (n_marks - 1,), or float
            How many times as fast each period goes by.

        Returns
        -------
        ndarray, shape (n_samples / tempo,), float64
            The speech itself, to within rounding, where both are 1.
        """
        made = np.zeros(round(float(np.sum(np.diff(self.marks) / tempo))))
        grains = list(self._grains(pitch, tempo, made.size))
        before = [grains[0].at, *(grain.at for grain in grains[:-1])]
        after = [*(grain.at for grain in grains[1:]), grains[-1].at]
        for grain, previous, following in zip(grains, before, after, strict=True):
            left = min(grain.at - previous, grain.left)
            right = min(following - grain.at, grain.right)
            rising = 0.5 - 0.5 * np.cos(np.pi * np.arange(left) / max(left, 1))
            falling = 0.5 + 0.5 * np.cos(np.pi * np.arange(right) / max(right, 1))
            made[grain.at - left : grain.at] += (
                rising * self.samples[grain.source - left : grain.source]
            )
            made[grain.at : grain.at + right] += (
                falling * self.samples[grain.source : grain.source + right]
            )
        return made

    def _grains(
        self, pitch: FloatArray | float, tempo: FloatArray | float, n_samples: int
    ) -> Iterator[_Grain]:
        """Pieces in the order of the output; voiced ones are whole periods on either side."""
        lengths = np.diff(self.marks)
        step = lengths / np.where(self.voiced, pitch, 1.0)
        ends = np.cumsum(lengths / tempo)
        starts = np.concatenate([[0.0], ends[:-1]])
        n = len(lengths)
        at = 0.0
        while round(at) < n_samples:
            piece = min(int(np.searchsorted(ends, at + 1e-9, side="right")), n - 1)
            share = (at - starts[piece]) / (ends[piece] - starts[piece])
            if self.voiced[piece]:
                mark = piece + int(share > 0.5)
                source = int(self.marks[mark])
                left = source - int(self.marks[max(0, mark - 1)])
                right = int(self.marks[min(n, mark + 1)]) - source
                if mark < n and self.voiced[mark]:
                    piece = mark
            else:
                source = round(self.marks[piece] + share * lengths[piece])
                left, right = source, self.samples.size - source
            yield _Grain(round(at), source, left, right)
            at += step[piece]
        yield _Grain(n_samples, self.samples.size, self.samples.size, 0)


def _runs(voiced: BoolArray) -> list[tuple[int, int]]:
    """First frame and the one after the last of each stretch of voiced frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _next_mark(samples: FloatArray, at: int, period: float) -> int | None:
    """About a period on: where the waveform is most like that around ``at``; None at the ends."""
    half, reach = round(abs(period) / 2), max(1, round(_SEARCH * abs(period)))
    low = round(at + period) - reach
    high = round(at + period) + reach
    if min(at, low) < half or max(at, high) + half > samples.size:
        return None
    around = samples[at - half : at + half]
    tried = np.lib.stride_tricks.sliding_window_view(samples[low - half : high + half], 2 * half)
    likeness = tried @ around / (np.linalg.norm(tried, axis=1) + 1e-12)
    return low + int(np.argmax(likeness))
