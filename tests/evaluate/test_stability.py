from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.signal
import scipy.stats
import soundfile
import typer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.figure_checks import check_figure
from typer.testing import CliRunner

from cuelens import Audio, EmoLime, FrequencyBands, InputError
from cuelens.cli.evaluate_stability import stability
from cuelens.corpora import Corpus
from cuelens.evaluate import stability as module
from cuelens.evaluate.binning import (
    binned,
    cropped,
    rank_correlation,
    top_overlap,
    weights_by_place,
    why_unknown,
)
from cuelens.evaluate.explainers import explainer_named
from cuelens.evaluate.intervals import bootstrap_mean
from cuelens.evaluate.perturbations import (
    PERTURBATIONS,
    Codec,
    Shift,
    Telephone,
    WhiteNoise,
    delay_of,
    through_codec,
)
from cuelens.evaluate.stability import changed_explanations, evaluate_stability, reseeded
from cuelens.explain import TimeFrequencyMap
from cuelens.features.log_mel import hz_to_mel, mel_to_hz
from cuelens.testing import BandModel, ConstantModel, LinearEnergyModel, noise, speech_like, tone
from cuelens.units import TimeFrequencyCells, TimeWindows

RATE = 16_000
BANDS = FrequencyBands(n_bands=4, scale="linear")
FOUR_TONES = (1000.0, 3000.0, 5000.0, 7000.0)
LINEAR = LinearEnergyModel(
    edges_hz=tuple(BANDS.edges_hz(RATE)), factors=np.array([[4.0, 3, 2, 1], [1, 3, 0, 2]])
)


def clip(samples, **options) -> Audio:
    return Audio(samples=samples, sample_rate=RATE, **options)


def tones(**options):
    return sum(tone(hz, level=0.1, **options) for hz in FOUR_TONES)


def corpus_of(folder, sounds, *, speakers=None) -> Corpus:
    rows = []
    for number, sound in enumerate(sounds):
        file = folder / f"{number}.flac"
        soundfile.write(file, sound, RATE, subtype="PCM_24")
        rows.append(
            {
                "file": str(file),
                "start": 0.0,
                "end": float("nan"),
                "speaker": f"s{number}" if speakers is None else speakers[number],
                "emotion": ("anger", "neutral")[number % 2],
                "sentence": None,
            }
        )
    return Corpus(name="made up", licence="none", table=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Four voices with different spectra."""
    return corpus_of(
        tmp_path_factory.mktemp("voices"),
        [
            speech_like(duration_s=0.5, f0_hz=100 + 30 * k, tilt_db_per_octave=-3.0 * k, seed=k)
            for k in range(4)
        ],
    )


# ---------------------------------------------------------------- what is compared


@given(arrays(np.int8, (2, 9), elements=st.integers(-3, 3)))
def test_rank_correlation_is_scipys(values):
    one, other = values.astype(float)
    found = rank_correlation(one, other)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert np.isnan(found)
        assert "explanation are equal" in why_unknown(one, other)
        return
    assert found == pytest.approx(scipy.stats.spearmanr(one, other).statistic, abs=1e-12)
    order = np.random.default_rng(0).permutation(9)
    assert rank_correlation(one[order], other[order]) == pytest.approx(found, abs=1e-12)
    assert rank_correlation(np.exp(one), other) == pytest.approx(found, abs=1e-12)


def test_one_unit_has_no_order():
    assert np.isnan(rank_correlation(np.ones(1), np.zeros(1)))
    assert why_unknown(np.ones(1), np.zeros(1)) == "there is one unit only"
    assert why_unknown(np.arange(3.0), np.ones(3)).startswith("all weights of the second")


def test_top_overlap_by_hand():
    one, other = np.array([5.0, 4, 3, 2, 1]), np.array([5.0, 1, 2, 3, 4])
    assert top_overlap(one, other) == pytest.approx(1 / 3)  # {0, 1, 2} and {0, 4, 3}
    assert top_overlap(one, other, k=4) == pytest.approx(3 / 4)
    assert top_overlap(one[:2], other[:2]) == 1.0  # all there are
    assert np.isnan(top_overlap(one, np.zeros(5)))


def slow_bins(map_, n_bands, window_s, shift_s):
    """Cells cut into 2000 equal pieces of frequency and of time, each put into its bin."""
    edges_mel = np.linspace(*hz_to_mel(map_.edges_hz[[0, -1]]), n_bands + 1)
    edges_s = TimeWindows(window_s=window_s).edges_s((map_.values.shape[2] - 1) * map_.hop_s)
    total = np.zeros((len(map_.values), n_bands, len(edges_s) - 1))
    pieces = (np.arange(2000) + 0.5) / 2000
    for row, (low, high) in enumerate(pairwise(map_.edges_hz)):
        hz = low + (high - low) * pieces
        band = np.searchsorted(edges_mel[1:-1], hz_to_mel(hz), side="right")
        in_band = np.bincount(band, minlength=n_bands) / 2000
        for frame, time_s in enumerate(map_.times_s):
            moment = time_s - shift_s + map_.hop_s * (pieces - 0.5)
            window = np.searchsorted(edges_s[1:-1], moment, side="right")
            in_window = np.bincount(window, minlength=len(edges_s) - 1) / 2000
            total += map_.values[:, row, frame, None, None] * np.outer(in_band, in_window)
    return total


@pytest.mark.parametrize("shift_s", [0.0, 0.005, -0.005, 0.03])
def test_binning_against_the_slow_way(shift_s):
    rng = np.random.default_rng(1)
    map_ = TimeFrequencyMap(
        values=rng.normal(size=(2, 6, 21)),
        edges_hz=np.array([0.0, 150, 400, 900, 2000, 4000, 8000]),
        hop_s=0.015,
    )
    found = binned(map_, n_bands=3, window_s=0.1, shift_s=shift_s)
    np.testing.assert_allclose(found, slow_bins(map_, 3, 0.1, shift_s), atol=0.01)
    np.testing.assert_allclose(found.sum((1, 2)), map_.values.sum((1, 2)), rtol=1e-5)


def test_binning_undoes_a_shift():
    """A map that comes two frames later, binned as such, is the map."""
    rng = np.random.default_rng(2)
    values = np.zeros((1, 8, 81), dtype=np.float32)
    values[..., 10:70] = rng.random((1, 8, 60))
    edges_hz = mel_to_hz(np.linspace(0.0, float(hz_to_mel(8000.0)), 9))
    one = TimeFrequencyMap(values=values, edges_hz=edges_hz, hop_s=0.015)
    later = replace(one, values=np.roll(values, 2, axis=2))
    np.testing.assert_allclose(binned(later, shift_s=0.03), binned(one), atol=1e-5)
    assert np.abs(binned(later) - binned(one)).max() > 0.1
    assert binned(one).shape == (1, 8, 8)  # 1.2 s


def test_weights_lie_where_their_units_do():
    audio = clip(speech_like(duration_s=0.6))
    model = BandModel(band_hz=(500.0, 3000.0))
    bands = EmoLime(units=FrequencyBands(n_bands=5)).explain(model, audio)
    np.testing.assert_allclose(weights_by_place(bands)[:, :, 0], bands.weights, atol=1e-7)
    moments = EmoLime(units=TimeWindows()).explain(model, audio)
    np.testing.assert_allclose(weights_by_place(moments)[:, 0], moments.weights, atol=1e-7)
    shifted = weights_by_place(moments, shift_s=0.03)[0, 0]  # a fifth of each before its window
    w = moments.weights[0]
    np.testing.assert_allclose(
        shifted[:3], [w[0] + 0.2 * w[1], *(0.8 * w + 0.2 * np.roll(w, -1))[1:3]], atol=1e-6
    )
    assert shifted.sum() == pytest.approx(w.sum(), abs=1e-6)
    cells = TimeFrequencyCells(bands=FrequencyBands(n_bands=3)).decompose(audio)
    order = np.random.default_rng(0).permutation(12)
    mixed = replace(
        moments,
        units=tuple(cells.units[k] for k in order),
        weights=np.stack([order, -order]).astype(float),
    )
    np.testing.assert_allclose(weights_by_place(mixed)[0], np.arange(12).reshape(3, 4), atol=1e-6)
    odd = replace(mixed, units=mixed.units[:-1], weights=mixed.weights[:, :-1])
    assert weights_by_place(odd).shape == (2, 11, 1)


def test_cropping():
    one, other = np.arange(12.0).reshape(1, 3, 4), np.zeros((1, 3, 2))
    assert [part.shape for part in cropped(one, other)] == [(1, 3, 2), (1, 3, 2)]
    with pytest.raises(InputError, match="3 and 1 rows"):
        cropped(one, np.zeros((1, 1, 4)))


# ---------------------------------------------------------------- changes


def test_noise_has_its_level_exactly():
    audio = clip(speech_like())
    for snr_db in (40.0, 10.0):
        changed = WhiteNoise(snr_db=snr_db).apply(audio, seed=(3, 1)).audio.samples
        added = changed.astype(np.float64) - audio.samples
        energy = np.sum(audio.samples.astype(np.float64) ** 2)
        assert 10 * np.log10(energy / np.sum(added**2)) == pytest.approx(snr_db, abs=1e-3)
    same = WhiteNoise().apply(audio, seed=(3, 1)).audio.samples
    np.testing.assert_array_equal(same, WhiteNoise().apply(audio, seed=(3, 1)).audio.samples)
    assert not np.array_equal(same, WhiteNoise().apply(audio, seed=(3, 2)).audio.samples)


def test_what_overshoots_is_scaled_and_says_so():
    loud = clip(tone(500.0, level=1.0), source="loud")
    changed = WhiteNoise(snr_db=20.0).apply(loud).audio
    assert np.abs(changed.samples).max() == 1.0
    assert "because noise 20 dB overshot full scale" in changed.notes[-1]


def test_shifts_are_exact():
    audio = clip(noise(duration_s=0.2))
    later, earlier = (Shift(shift_s=s).apply(audio) for s in (0.005, -0.005))
    np.testing.assert_array_equal(later.audio.samples[80:], audio.samples[:-80])
    np.testing.assert_array_equal(earlier.audio.samples[:-80], audio.samples[80:])
    assert not later.audio.samples[:80].any()
    assert not earlier.audio.samples[-80:].any()
    assert (later.shift_s, earlier.shift_s) == (0.005, -0.005)
    assert later.audio.samples.size == audio.samples.size


@pytest.mark.parametrize("change", [Codec(codec="mp3"), Codec(codec="ogg"), Telephone()])
@pytest.mark.parametrize("rate", [16_000, 44_100, 9_000])
def test_codecs_stay_in_step(change, rate):
    samples = np.zeros(rate, dtype=np.float32)
    burst = noise(duration_s=0.2, sample_rate=rate)
    samples[rate // 3 : rate // 3 + burst.size] = burst
    audio = Audio(samples=samples, sample_rate=rate)
    changed = change.apply(audio)
    assert changed.audio.samples.size == samples.size
    assert delay_of(changed.audio.samples, samples, longest=rate // 2) == 0
    assert not np.array_equal(changed.audio.samples, samples)


def test_the_delay_of_a_codec_is_undone(monkeypatch):
    """A codec that starts 1105 samples late and pads its last frame, as MP3 decoders may."""

    def late(samples, sample_rate, **_):
        return np.concatenate([np.zeros(1105), samples, np.zeros(399)]).astype(np.float32)

    monkeypatch.setattr("cuelens.evaluate.perturbations.through_codec", late)
    audio = clip(noise(duration_s=0.4))
    changed = Codec().apply(audio)
    np.testing.assert_array_equal(changed.audio.samples, audio.samples)
    assert changed.delay_s == pytest.approx(1105 / RATE)
    assert delay_of(audio.samples[200:], audio.samples, longest=1000) == -200


def test_telephones_cut_and_quantise():
    white = clip(noise(duration_s=2.0))
    heard = Telephone().apply(white).audio.samples
    hz, before = scipy.signal.welch(white.samples, RATE, nperseg=1024)
    _, after = scipy.signal.welch(heard, RATE, nperseg=1024)
    for band, lowest, highest in (
        ((3400, 8000), -200.0, -30.0),
        ((0, 200), -200.0, -30.0),
        ((400, 3300), -0.3, 0.3),
    ):
        inside = (hz >= band[0]) & (hz < band[1])
        change_db = 10 * np.log10(after[inside].sum() / before[inside].sum())
        assert lowest < change_db < highest
    # G.711: sign, 8 segments that double, 16 steps in each; of 14 bits.
    levels = [((2 * m + 33) << s) - 33 for s in range(8) for m in range(16)]
    line = through_codec(white.samples, 8000, file_format="wav", subtype="ULAW")
    assert set(np.abs(np.round(line * 8192)).astype(int)) <= set(levels)
    assert np.abs(line - white.samples).max() < 0.05 * np.abs(white.samples).max()


def test_long_sound_and_unknown_codecs():
    assert Codec(codec="ogg").apply(clip(noise(duration_s=20.0))).delay_s == 0.0
    with pytest.raises(InputError, match="codec is 'flac'; expected one of mp3, ogg"):
        Codec(codec="flac")


# ---------------------------------------------------------------- over a corpus


def test_noise_leaves_the_ranking_of_models_known_in_closed_form(tmp_path):
    """Four tones, four bands, factors 4 to 1: no harmless change can swap two of them."""
    corpus = corpus_of(tmp_path, [tones(duration_s=0.5), 0.5 * tones(duration_s=0.5)])
    explainer = EmoLime(units=BANDS)
    found = evaluate_stability(corpus, LINEAR, {"shapley": explainer}).frame
    quiet = found[found["perturbation"].isin(["noise 40 dB", "5 ms later", "5 ms earlier"])]
    assert (quiet["rank_correlation"] == 1.0).all()
    assert (quiet["top_overlap"] == 1.0).all()
    heard = found[found["perturbation"] == "telephone"]["probability_change"].iloc[0]
    energy = 0.1**2 / 2  # of a tone; those at 5 and 7 kHz, with factors 2 and 1, are not heard
    assert heard == pytest.approx(-(2 + 1) * energy, rel=0.05)  # and the ends, by the filter
    one_band = BandModel(band_hz=(2000.0, 4000.0), reference=5e-3)
    found = evaluate_stability(corpus, one_band, {"shapley": explainer})
    one = EmoLime(units=BANDS).explain(one_band, corpus.audio(0))
    other = WhiteNoise().apply(corpus.audio(0), seed=(0, 0)).audio
    row = found.frame[found.frame["perturbation"] == "noise 40 dB"].iloc[0]
    after = EmoLime(units=BANDS).explain(one_band, other, target=one.target)
    assert row["target"] == one.target
    assert int(one.target_weights.argmax()) == int(after.target_weights.argmax())
    index = one.target_index
    expected = after.prediction[index] - one.prediction[index]
    assert row["probability_change"] == pytest.approx(expected, abs=1e-12)
    assert row["rank_correlation"] == pytest.approx(
        scipy.stats.spearmanr(
            np.round(one.weights[index] * 1e7), np.round(after.weights[index] * 1e7)
        ).statistic
    )


def test_constant_models_have_no_ranks_to_compare(voices):
    found = evaluate_stability(voices, ConstantModel(), {"shapley": EmoLime()}, n_clips=3)
    frame = found.frame
    assert frame[["rank_correlation", "top_overlap"]].isna().all(axis=None)
    assert (frame["reason"] == "all weights of the first explanation are equal").all()
    assert (frame["probability_change"] == 0).all()
    summary = found.summary().set_index("measure")
    assert (summary.loc["rank_correlation", "n_missing"] == 3).all()
    assert "no explanation has an order of weights" in found.sentences()["shapley"]


def test_other_seeds(voices):
    assert reseeded(EmoLime(seed=4)).seed == 5
    assert reseeded(explainer_named("lrp")) is None

    class Seeded:
        seed = 1

    with pytest.raises(InputError, match="Seeded has a seed and is no dataclass"):
        reseeded(Seeded())
    model = BandModel(band_hz=(500.0, 3000.0))
    explainers = {"exact": EmoLime(), "sampled": EmoLime(samples=64)}
    found = evaluate_stability(voices, model, explainers, perturbations=())
    by_name = found.frame.set_index("explainer")
    assert (by_name.loc["exact", "rank_correlation"] == 1.0).all()  # measured, not by definition
    assert not by_name["by_definition"].any()
    for row, target in enumerate(by_name.loc["sampled", "target"]):
        one, other = (
            EmoLime(samples=64, seed=seed).explain(model, voices.audio(row), target=target)
            for seed in (42, 43)
        )
        ranks = (np.round(e.target_weights / (1e-7 * e.outputs.max())) for e in (one, other))
        expected = scipy.stats.spearmanr(*ranks).statistic
        assert by_name.loc["sampled", "rank_correlation"].iloc[row] == pytest.approx(expected)


@dataclass(frozen=True)
class Unseeded:
    """The same as EmoLIME, with nothing to draw."""

    def explain(self, model, audio, *, target=None):
        return EmoLime(units=BANDS).explain(model, audio, target=target)


class Failing:
    def explain(self, model, audio, *, target=None):
        raise InputError("cannot explain anything")


def test_of_values_the_first_is_explained_and_no_answer_changes(voices):
    class Values(LinearEnergyModel):
        output = "value"

    larger = np.array([[1.0, 2, 3, 4], [40.0, 30, 20, 10]])  # the second is always larger
    model = Values(edges_hz=tuple(BANDS.edges_hz(RATE)), factors=larger)
    explainers = {"shapley": EmoLime(units=BANDS)}
    changes = [WhiteNoise(snr_db=20.0)]
    found = evaluate_stability(voices, model, explainers, perturbations=changes, n_clips=3)
    assert set(found.frame["target"]) == {"a"}
    assert found.frame["answer_changed"].isna().all()
    summary = found.summary().set_index(["perturbation", "measure"])
    changed = summary.loc[(changes[0].name, "answer_changed")]
    assert (changed["n_clips"], changed["n_missing"]) == (0, 3)


def test_explainers_without_a_seed_are_stable_by_definition(voices):
    explainers = {"same": Unseeded(), "failing": Failing()}
    found = evaluate_stability(voices, LINEAR, explainers, n_clips=2)
    frame = found.frame.set_index(["explainer", "perturbation"])
    assert frame.loc[("same", "other seed"), "by_definition"].all()
    assert (frame.loc[("same", "other seed"), "rank_correlation"] == 1.0).all()
    assert not frame.loc[("same", "mp3"), "by_definition"].any()
    assert set(frame.loc["failing", "reason"]) == {"cannot explain anything"}
    assert set(found.sentences()) == {"same", "failing"}


def test_different_clips_are_the_level_of_chance(voices):
    found = evaluate_stability(voices, LINEAR, {"shapley": EmoLime(units=BANDS)}, perturbations=())
    explanations = [EmoLime(units=BANDS).explain(LINEAR, voices.audio(row)) for row in range(4)]
    for i, one in enumerate(explanations):
        others = [
            scipy.stats.spearmanr(one.target_weights, other.weights[one.target_index]).statistic
            for j, other in enumerate(explanations)
            if j != i
        ]
        assert found.chance["rank_correlation"][i] == pytest.approx(np.mean(others), abs=1e-9)
    assert not found.chance["cropped"].any()
    summary = found.summary()
    level = summary[summary["perturbation"] == "different clips"]["mean"].item()
    own = summary[summary["measure"] == "above_chance"]["mean"].item()
    assert own == pytest.approx(1.0 - level)


def test_one_explanation_alone(voices):
    explainer = EmoLime(units=BANDS)
    frame = evaluate_stability(voices, LINEAR, {"x": explainer}).frame
    of_first = frame[frame["clip"] == str(voices.table["file"].iloc[0])].set_index("perturbation")
    explanation = explainer.explain(LINEAR, voices.audio(0))
    found = list(changed_explanations(explanation, LINEAR, explainer, voices.audio(0)))
    assert [name for name, _, _ in found] == [change.name for change in PERTURBATIONS]
    for name, correlation, n_calls in found:
        assert correlation == of_first.loc[name, "rank_correlation"]
        assert n_calls == 16
    failed = list(changed_explanations(explanation, LINEAR, Failing(), voices.audio(0)))
    assert all(np.isnan(correlation) and n_calls == 0 for _, correlation, n_calls in failed)


def test_clips_of_other_lengths_are_cropped(tmp_path):
    corpus = corpus_of(tmp_path, [speech_like(duration_s=s, f0_hz=130) for s in (0.45, 0.6)])
    model = BandModel(band_hz=(100.0, 3000.0))
    explainer = EmoLime(units=TimeWindows())
    found = evaluate_stability(corpus, model, {"windows": explainer}, perturbations=())
    one, other = (explainer.explain(model, corpus.audio(row)) for row in (0, 1))
    expected = scipy.stats.spearmanr(one.weights[0], other.weights[0, :3]).statistic
    assert found.chance["cropped"].all()
    np.testing.assert_allclose(found.chance["rank_correlation"], expected)
    summary = found.summary()
    assert summary["low"].isna().all()  # two clips: no interval
    assert "too few clips" in found.sentences()["windows"]


def test_bootstrap_over_clips_and_speakers():
    rng = np.random.default_rng(0)
    values = rng.normal(0.2, 0.1, 12)
    one = bootstrap_mean(values, [None] * 12)
    assert one.value == pytest.approx(values.mean())
    t = scipy.stats.t.interval(0.95, 11, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose([one.low, one.high], t, atol=0.01)
    # The same clips 10 times over are no more speakers.
    speakers = [f"s{k}" for k in range(12)]
    assert bootstrap_mean(np.repeat(values, 10), list(np.repeat(speakers, 10))).low == (
        pytest.approx(bootstrap_mean(values, speakers).low, abs=1e-12)
    )
    many = bootstrap_mean(np.repeat(values, 10), [None] * 120)
    assert many.high - many.low < 0.5 * (one.high - one.low)
    assert bootstrap_mean(np.array([0.5, np.nan, 0.7]), ["a", "b", "c"]).n == 2
    assert np.isnan(bootstrap_mean(np.array([0.5, 0.7]), ["a", "b"]).low)
    assert np.isnan(bootstrap_mean(np.array([np.nan]), ["a"]).value)
    high = bootstrap_mean(np.array([1.0, 1.0, 0.2]), [None] * 3, highest=1.0)
    assert high.high == 1.0


def test_interrupted_runs_go_on_and_settings_are_kept_apart(voices, tmp_path):
    model = BandModel(band_hz=(500.0, 3000.0))
    journal = tmp_path / "stability.jsonl"
    settings = {"perturbations": (WhiteNoise(),), "journal": journal}
    explainers = {"shapley": EmoLime(units=BANDS)}
    done: list[int] = []
    one = evaluate_stability(voices, model, explainers, **settings, progress=done.append)
    assert sum(done) == 4
    before = model.n_waveforms
    again = evaluate_stability(voices, model, explainers, **settings)
    assert model.n_waveforms - before == 1  # the answer to the first clip, which tells models apart
    pd.testing.assert_frame_equal(one.frame, again.frame)
    with pytest.raises(InputError, match="other settings \\(answer_to_first_clip\\)"):
        evaluate_stability(voices, BandModel(band_hz=(100.0, 200.0)), explainers, **settings)
    other = {"shapley": EmoLime(units=BANDS, seed=1)}
    with pytest.raises(InputError, match="other settings \\(explainers\\)"):
        evaluate_stability(voices, model, other, **settings)


def test_what_other_processes_get_gives_the_same(voices):
    shared = (voices, LINEAR, {"shapley": EmoLime(units=BANDS)}, PERTURBATIONS, 0)
    sent = pickle.loads(pickle.dumps(shared))
    assert module._one_clip(*sent, 1) == module._one_clip(*shared, 1)


def test_saved_and_drawn(voices, tmp_path):
    found = evaluate_stability(voices, LINEAR, {"a": EmoLime(units=BANDS), "b": Unseeded()})
    file = found.save(tmp_path / "new" / "folder")
    content = json.loads(file.read_text("utf-8"))
    assert content["n_clips"] == 4
    assert content["perturbations"] == ["other seed", *(change.name for change in PERTURBATIONS)]
    assert content["sentences"]["a"].startswith("a: ranks correlate by")
    table = pd.read_csv(file.with_suffix(".csv"))
    assert len(table) == 4 * 2 * 7
    pd.testing.assert_series_equal(
        table["rank_correlation"], found.frame["rank_correlation"], atol=1e-12
    )
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    ax = found.plot()
    check_figure(ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == content["perturbations"]


def test_what_cannot_be_done_is_said(voices):
    with pytest.raises(InputError, match="lrp: looks inside a network"):
        evaluate_stability(voices, LINEAR, {"lrp": explainer_named("lrp")})
    with pytest.raises(InputError, match="no explainers"):
        evaluate_stability(voices, LINEAR, {})
    broken = replace(voices, table=voices.table.assign(end=99.0))
    with pytest.raises(InputError, match=r"asked for 0 to 99 s"):
        evaluate_stability(broken, LINEAR, {"shapley": EmoLime()})


def test_where_nothing_is_left_the_reason_is_given(tmp_path):
    high = tone(6000.0, duration_s=0.4) * np.hanning(6400)
    corpus = corpus_of(tmp_path, [high, high])
    found = evaluate_stability(corpus, LINEAR, {"shapley": EmoLime(units=BANDS)}, n_clips=1)
    frame = found.frame.set_index("perturbation")
    assert "silent" in frame.loc["telephone", "reason"]
    assert np.isnan(frame.loc["telephone", "rank_correlation"])
    assert frame.loc["mp3", "reason"] == ""


# ---------------------------------------------------------------- command


APP = typer.Typer()
APP.command()(stability)


def run(*arguments):
    result = CliRunner().invoke(APP, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_help_teaches():
    shown = run("--help")
    for word in ("telephone line", "different clips", "--speakers", "Example"):
        assert word in shown


def test_command(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    arguments = (
        *("--model", "python:cuelens.testing:ConstantModel", "--clips", "2", "--workers", "1"),
        *("--explainer", "shapley", "--speakers", "de_female", "--out", str(folder)),
    )
    shown = run(*arguments)
    assert "constant on demo clips (synthetic): 2 clips" in shown
    assert "shapley: no explanation has an order of weights to compare" in shown
    content = json.loads((folder / "stability.json").read_text())
    assert content["seed"] == 0
    frame = pd.read_csv(folder / "stability.csv")
    assert set(frame["speaker"]) == {"de_female"}
    with pytest.raises(InputError, match="no speaker nobody"):
        run("--speakers", "nobody")
    with pytest.raises(InputError, match="explainer 'magic'"):
        run("--explainer", "magic")


@pytest.mark.corpus
@pytest.mark.slow
def test_real_speech_is_more_like_itself_than_like_other_speech(data_dir):
    from cuelens.corpora import load_corpus
    from cuelens.models import load_model

    corpus = load_corpus(data_dir / "emodb-2s")
    found = evaluate_stability(
        corpus,
        load_model("emodb-cnn"),
        {"grad-cam": explainer_named("grad-cam"), "lime-64": explainer_named("lime-64")},
        n_clips=6,
        perturbations=(WhiteNoise(), Shift()),
    )
    summary = found.summary().set_index(["explainer", "perturbation", "measure"])["mean"]
    for name in ("grad-cam", "lime-64"):
        level = summary[name, "different clips", "rank_correlation"]
        for change in ("noise 40 dB", "5 ms later"):
            assert summary[name, change, "rank_correlation"] > level + 0.2
