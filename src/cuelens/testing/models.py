"""Models whose explanation can be written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cuelens.typing import FloatArray


@dataclass(kw_only=True)
class BandModel:
    """Listens to the energy of one frequency band and to nothing else.

    p("high") = energy / (energy + reference); the other label gets the rest.

    Attributes
    ----------
    n_waveforms : int
        Waveforms it has been given so far.
    """

    band_hz: tuple[float, float]
    reference: float = 1e-4
    sample_rate: int = 16_000
    labels: tuple[str, ...] = ("high", "low")
    name: str = "one band"
    n_waveforms: int = field(default=0, init=False)

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Probabilities, shape (n_waveforms, 2)."""
        self.n_waveforms += len(waveforms)
        energies = [band_energy(w, self.sample_rate, self.band_hz) for w in waveforms]
        high = np.array(energies) / (np.array(energies) + self.reference)
        return np.column_stack([high, 1.0 - high])


@dataclass(kw_only=True)
class LinearEnergyModel:
    """Adds up the energies of bands, each with its own factor: nothing interacts.

    Output of label l = sum over bands b of factors[l, b] * energy of b.  Outputs are no
    probabilities; the weights that explain them are known exactly where bands do not overlap.
    """

    edges_hz: tuple[float, ...]
    factors: FloatArray
    sample_rate: int = 16_000
    labels: tuple[str, ...] = ("a", "b")
    name: str = "linear in energies"

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """Outputs, shape (n_waveforms, n_labels)."""
        bands = list(zip(self.edges_hz[:-1], self.edges_hz[1:], strict=True))
        energies = np.array(
            [[band_energy(w, self.sample_rate, band) for band in bands] for w in waveforms]
        )
        return energies @ np.asarray(self.factors).T


@dataclass(frozen=True, kw_only=True)
class ConstantModel:
    """Answers the same whatever it hears: no explanation may find a reason."""

    probabilities: tuple[float, ...] = (0.7, 0.3)
    sample_rate: int = 16_000
    labels: tuple[str, ...] = ("yes", "no")
    name: str = "constant"

    def predict_proba(self, waveforms: Sequence[FloatArray]) -> FloatArray:
        """The same row for every waveform, shape (n_waveforms, n_labels)."""
        return np.tile(np.array(self.probabilities), (len(waveforms), 1))


def band_energy(waveform: FloatArray, sample_rate: int, band_hz: tuple[float, float]) -> float:
    """Mean square of a waveform's part between two frequencies, from its Fourier transform."""
    spectrum = np.fft.rfft(waveform)
    hz = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    inside = (hz >= band_hz[0]) & (hz < band_hz[1])
    return float(2 * np.sum(np.abs(spectrum[inside]) ** 2) / len(waveform) ** 2)
