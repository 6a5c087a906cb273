from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cuelens import Audio, EmoLime, Explanation, FrequencyBands
from cuelens.errors import InputError
from cuelens.explain import compare
from cuelens.testing import BandModel, speech_like, tone
from cuelens.units import TimeFrequencyCells, TimeWindows

MODEL = BandModel(band_hz=(1000.0, 2000.0))
BANDS = EmoLime(units=FrequencyBands(n_bands=4))


def audio(samples) -> Audio:
    return Audio(samples=samples, sample_rate=16_000)


def test_bands_side_by_side():
    clips = [audio(tone(hz, duration_s=0.6)) for hz in (1500.0, 300.0)]
    first, second = (BANDS.explain(MODEL, clip) for clip in clips)
    found = compare(first, second)
    assert found.target == "high"
    frame = found.to_frame()
    np.testing.assert_array_equal(frame["first"], first.weights[0])
    np.testing.assert_array_equal(frame["second"], second.weights[0])  # not its own answer's
    np.testing.assert_allclose(frame["difference"], first.weights[0] - second.weights[0])
    largest = frame.loc[frame["difference"].idxmax()]
    assert largest["low_hz"] < 1500 < largest["high_hz"]
    other = compare(first, second, target="low").to_frame()
    np.testing.assert_allclose(other["difference"], -frame["difference"], atol=1e-12)
    ax = found.plot().subfigs[1].axes[0]
    widths = [patch.get_width() for patch in ax.patches]
    np.testing.assert_allclose(widths, [*frame["first"], *frame["second"]])


def test_moments_are_compared_with_the_same_place():
    """The second clip has a pause in front: its weights lie later, and are found there."""
    voice = speech_like(duration_s=1.2, f0_hz=140.0)
    voice[6_400:9_600] += tone(1500.0, duration_s=0.2, level=0.4)  # 0.4 to 0.6 s
    pause = 1e-3 * np.random.default_rng(1).normal(size=8_000).astype(np.float32)
    clips = audio(voice), audio(np.concatenate([pause, voice]))
    explainer = EmoLime(units=TimeWindows(window_s=0.1), samples=200)
    first, second = (explainer.explain(MODEL, clip, target="high") for clip in clips)
    found = compare(first, second)
    frame = found.to_frame()
    inner = frame[(frame["start_s"] > 0.25) & (frame["end_s"] < 0.95)]
    np.testing.assert_allclose(inner["second_start_s"] - inner["start_s"], 0.5, atol=0.05)
    assert set(frame["second"].nlargest(2).index) == set(frame["first"].nlargest(2).index) == {4, 5}
    assert frame["second"].sum() == pytest.approx(found.weights[1].sum(), abs=1e-9)
    drawn = found.plot().axes[3].patches[1].get_data()
    np.testing.assert_allclose(drawn.values, frame["second"].fillna(0.0))


def test_json_holds_the_comparison():
    clips = [audio(tone(hz, duration_s=0.6)) for hz in (1500.0, 300.0)]
    found = compare(*(BANDS.explain(MODEL, clip) for clip in clips))
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["clips"][0]["probability"] == found.first.prediction[0]
    assert [unit["difference"] for unit in data["units"]] == list(found.to_frame()["difference"])
    assert data["alignment"]["path_s"][-1] == [0.6, 0.6]


def test_what_cannot_be_compared():
    clip = audio(tone(1500.0, duration_s=0.6))
    bands = BANDS.explain(MODEL, clip)
    with pytest.raises(InputError, match="expected one model"):
        compare(bands, replace(bands, model="other"))
    with pytest.raises(InputError, match="expected the same bands"):
        compare(bands, EmoLime(units=FrequencyBands(n_bands=3)).explain(MODEL, clip))
    with pytest.raises(InputError, match="expected bands of both clips"):
        compare(bands, EmoLime(units=TimeWindows(window_s=0.2)).explain(MODEL, clip))
    with pytest.raises(InputError, match="target is 'joy'"):
        compare(bands, bands, target="joy")
    with pytest.raises(InputError, match="explain the clip again to listen"):
        compare(bands, Explanation.from_json(bands.to_json()))


def test_cells_are_refused():
    clip = audio(tone(1500.0, duration_s=0.6))
    cells = TimeFrequencyCells().decompose(clip)
    explained = BANDS.explain(MODEL, clip)
    weights = np.zeros((2, len(cells)))
    of_cells = replace(explained, units=cells.units, weights=weights, components=cells)
    with pytest.raises(InputError, match="differ in time and in frequency"):
        compare(of_cells, of_cells)


def test_the_account_names_what_differs_and_nothing_else():
    clips = [audio(tone(hz, duration_s=0.6)) for hz in (1500.0, 300.0)]
    first, second = (BANDS.explain(MODEL, clip) for clip in clips)
    weights = first.weights.copy()
    weights[0] = [0.3, 0.0, 0.01, -0.2]
    found = compare(replace(first, weights=weights), replace(second, weights=0.0 * weights))
    names = [unit.name for unit in first.units]
    answers, differs = found.account.splitlines()
    assert "answers high to the first clip and low to the second" in answers
    assert differs == (
        f"What speaks more for high in the first clip: {names[0]} (+0.30 against +0.00); what "
        f"speaks more for high in the second: {names[3]} (−0.20 against +0.00)."
    )
    same = compare(first, first)
    assert same.account.endswith(
        "No band speaks clearly more for high in one clip than in the other."
    )
    assert found.to_dict()["account"] == found.account


def test_intervals_of_differences_are_those_of_independent_errors():
    """A clip beside itself: the error of the difference is sqrt(2) times that of a weight."""
    clip = audio(speech_like(duration_s=1.0))
    found = EmoLime(units=TimeWindows(window_s=0.1), samples=100).explain(MODEL, clip)
    frame = compare(found, found).to_frame()
    row = found.target_index
    width = found.ci_high[row] - found.ci_low[row]
    inner = slice(2, 8)
    widths = (frame["difference_high"] - frame["difference_low"]).to_numpy()
    np.testing.assert_allclose(widths[inner], np.sqrt(2) * width[inner], rtol=0.05)
    exact = BANDS.explain(MODEL, clip)
    assert compare(exact, exact).to_frame()["difference_low"].isna().all()
