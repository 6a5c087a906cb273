"""The 88 eGeMAPS functionals in plain words, in the four categories of their authors.

What counts as frequency, energy or spectral is the parameter's group in the definition of GeMAPS
[1]_; its durations and rates are the temporal ones.  The equivalent sound level, added in eGeMAPS,
is energy.

References
----------
.. [1] F. Eyben et al., "The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research
   and affective computing", IEEE Trans. Affective Computing 7(2), 2016, section 3.
"""

from __future__ import annotations

from types import MappingProxyType

from cuelens.errors import InputError

CATEGORIES = ("Energy", "Frequency", "Spectral", "Temporal")

_MEAN_AND_SPREAD = ("amean", "stddevNorm")
_CONTOUR = (
    *("amean", "stddevNorm", "percentile20.0", "percentile50.0", "percentile80.0", "pctlrange0-2"),
    *("meanRisingSlope", "stddevRisingSlope", "meanFallingSlope", "stddevFallingSlope"),
)
_STATISTICS = {
    "amean": "mean",
    "stddevNorm": "relative spread",
    "percentile20.0": "20th percentile",
    "percentile50.0": "median",
    "percentile80.0": "80th percentile",
    "pctlrange0-2": "range",
    "meanRisingSlope": "mean speed of rises",
    "stddevRisingSlope": "spread of the speed of rises",
    "meanFallingSlope": "mean speed of falls",
    "stddevFallingSlope": "spread of the speed of falls",
}

# Descriptor, category, title and statistics, in openSMILE's order.
_DESCRIPTORS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("F0semitoneFrom27.5Hz_sma3nz", "Frequency", "pitch", _CONTOUR),
    ("loudness_sma3", "Energy", "loudness", _CONTOUR),
    ("spectralFlux_sma3", "Spectral", "spectral flux", _MEAN_AND_SPREAD),
    *((f"mfcc{k}_sma3", "Spectral", f"MFCC {k}", _MEAN_AND_SPREAD) for k in (1, 2, 3, 4)),
    ("jitterLocal_sma3nz", "Frequency", "pitch irregularity (jitter)", _MEAN_AND_SPREAD),
    ("shimmerLocaldB_sma3nz", "Energy", "loudness irregularity (shimmer)", _MEAN_AND_SPREAD),
    ("HNRdBACF_sma3nz", "Energy", "harmonics-to-noise ratio", _MEAN_AND_SPREAD),
    ("logRelF0-H1-H2_sma3nz", "Spectral", "1st against 2nd harmonic", _MEAN_AND_SPREAD),
    ("logRelF0-H1-A3_sma3nz", "Spectral", "1st harmonic against 3rd formant", _MEAN_AND_SPREAD),
    *(
        (f"F{k}{part}_sma3nz", category, f"{ordinal} formant {title}", _MEAN_AND_SPREAD)
        for k, ordinal in ((1, "1st"), (2, "2nd"), (3, "3rd"))
        for part, category, title in (
            ("frequency", "Frequency", "frequency"),
            ("bandwidth", "Frequency", "bandwidth"),
            ("amplitudeLogRelF0", "Spectral", "level"),
        )
    ),
    ("alphaRatioV_sma3nz", "Spectral", "alpha ratio, voiced", _MEAN_AND_SPREAD),
    ("hammarbergIndexV_sma3nz", "Spectral", "Hammarberg index, voiced", _MEAN_AND_SPREAD),
    ("slopeV0-500_sma3nz", "Spectral", "slope 0–500 Hz, voiced", _MEAN_AND_SPREAD),
    ("slopeV500-1500_sma3nz", "Spectral", "slope 500–1500 Hz, voiced", _MEAN_AND_SPREAD),
    ("spectralFluxV_sma3nz", "Spectral", "spectral flux, voiced", _MEAN_AND_SPREAD),
    *((f"mfcc{k}V_sma3nz", "Spectral", f"MFCC {k}, voiced", _MEAN_AND_SPREAD) for k in range(1, 5)),
    ("alphaRatioUV_sma3nz", "Spectral", "alpha ratio, unvoiced", ("amean",)),
    ("hammarbergIndexUV_sma3nz", "Spectral", "Hammarberg index, unvoiced", ("amean",)),
    ("slopeUV0-500_sma3nz", "Spectral", "slope 0–500 Hz, unvoiced", ("amean",)),
    ("slopeUV500-1500_sma3nz", "Spectral", "slope 500–1500 Hz, unvoiced", ("amean",)),
    ("spectralFluxUV_sma3nz", "Spectral", "spectral flux, unvoiced", ("amean",)),
)
_WHOLE_CLIP = (
    ("loudnessPeaksPerSec", "Temporal", "loudness peaks per second"),
    ("VoicedSegmentsPerSec", "Temporal", "voiced segments per second"),
    ("MeanVoicedSegmentLengthSec", "Temporal", "voiced segment length, mean"),
    ("StddevVoicedSegmentLengthSec", "Temporal", "voiced segment length, spread"),
    ("MeanUnvoicedSegmentLength", "Temporal", "unvoiced segment length, mean"),
    ("StddevUnvoicedSegmentLength", "Temporal", "unvoiced segment length, spread"),
    ("equivalentSoundLevel_dBp", "Energy", "equivalent sound level"),
)

_CATEGORY_AND_TITLE = MappingProxyType(
    {
        **{
            f"{descriptor}_{statistic}": (category, f"{title}, {_STATISTICS[statistic]}")
            for descriptor, category, title, statistics in _DESCRIPTORS
            for statistic in statistics
        },
        **{name: (category, title) for name, category, title in _WHOLE_CLIP},
    }
)

FEATURES = tuple(_CATEGORY_AND_TITLE)
"""Names of the 88 functionals of eGeMAPSv02, openSMILE's own, in its order."""


def category(feature_name: str) -> str:
    """One of `CATEGORIES` for an eGeMAPSv02 functional.

    Raises
    ------
    InputError
        No functional of this name.

    Examples
    --------
    >>> category("shimmerLocaldB_sma3nz_amean")
    'Energy'
    """
    return _look_up(feature_name)[0]


def title(feature_name: str) -> str:
    """An eGeMAPSv02 functional in plain words, short enough to label a row of a figure.

    Raises
    ------
    InputError
        No functional of this name.

    Examples
    --------
    >>> title("loudness_sma3_percentile80.0")
    'loudness, 80th percentile'
    """
    return _look_up(feature_name)[1]


def _look_up(feature_name: str) -> tuple[str, str]:
    if feature_name not in _CATEGORY_AND_TITLE:
        raise InputError(
            f"{feature_name!r} is no functional of eGeMAPSv02; expected one of the "
            f"{len(FEATURES)} names in cuelens.probe.categories.FEATURES, such as {FEATURES[0]!r}"
        )
    return _CATEGORY_AND_TITLE[feature_name]
