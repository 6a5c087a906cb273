from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile

from cuelens.corpora import Corpus, load_corpus
from cuelens.errors import InputError
from cuelens.evaluate import emolime_models
from cuelens.evaluate.emolime_models import save_model, saved_model, train_models
from cuelens.evaluate.emolime_plan import explained_rows, plan
from cuelens.evaluate.emolime_reproduction import EmoLimeReproduction, interval_text, p_text
from cuelens.evaluate.emolime_tables import flipping_table
from cuelens.evaluate.emolime_tasks import explain_clip, kept
from cuelens.evaluate.reproduce_emolime import reproduce_emolime
from cuelens.explain import EmoLime
from cuelens.features.embedding import Embedding
from cuelens.models.base import CallableModel
from cuelens.testing import BandModel, noise
from cuelens.units import FrequencyBands

RATE = 16_000
EDGES_HZ = FrequencyBands().edges_hz(RATE)
SETTINGS = {"n_bootstrap": 60, "n_permutations": 199}


@dataclass(frozen=True, kw_only=True)
class BandLevels(Embedding):
    """Levels of some of the eight bands; ``ears`` tells models apart."""

    ears: str
    bands: tuple[int, ...] = tuple(range(8))

    @property
    def name(self) -> str:
        return self.ears

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(map(str, self.bands))

    @property
    def recipe(self) -> str:
        return f"levels {self.bands} {self.ears}"

    def embed_layers(self, waveforms):
        power = np.abs(np.fft.rfft(np.stack(waveforms))) ** 2 / len(waveforms[0])
        first = np.searchsorted(np.fft.rfftfreq(len(waveforms[0]), 1 / RATE), EDGES_HZ[:-1])
        of_band = np.add.reduceat(power, first, axis=1)[:, list(self.bands)]
        return (10 * np.log10(of_band + 1e-3)).astype(np.float32)[:, None]


EARS = {
    **{f"ears{k}": BandLevels(ears=f"ears{k}") for k in range(3)},
    "low": BandLevels(ears="low", bands=(0, 1, 2, 3)),
    "high": BandLevels(ears="high", bands=(4, 5, 6, 7)),
    "deaf": BandLevels(ears="deaf", bands=(7,)),
}


def load_ears(spec):
    if spec not in EARS:
        raise InputError(f"unknown embedding {spec!r}")
    return EARS[spec]


@pytest.fixture(autouse=True)
def ears(monkeypatch):
    """Embeddings that hear bands, for models that take no time."""
    monkeypatch.setattr(emolime_models, "load_embedding", load_ears)
    emolime_models.saved_model.cache_clear()


def made_up(folder, name, loud, *, n_speakers=4, n_takes=2, seed=0):
    """Noise in which some bands are louder, by emotion; ``loud`` is {emotion: bands}."""
    rng = np.random.default_rng(seed)
    (folder / name).mkdir(parents=True)
    rows = []
    hz = np.fft.rfftfreq(3200, 1 / RATE)
    for speaker in range(n_speakers):
        for emotion, bands in loud.items():
            for take in range(n_takes):
                spectrum = np.fft.rfft(noise(duration_s=0.2, seed=int(rng.integers(1 << 30))))
                for k in range(8):
                    inside = (hz >= EDGES_HZ[k]) & (hz < EDGES_HZ[k + 1])
                    gain_db = 14.0 * (k in bands) + rng.normal(0, 2.0)
                    spectrum[inside] *= 10 ** (gain_db / 20)
                samples = np.fft.irfft(spectrum)
                file = folder / name / f"{speaker}-{emotion}-{take}.wav"
                soundfile.write(file, 0.5 * samples / np.abs(samples).max(), RATE)
                rows.append(
                    {"file": str(file), "start": 0.0, "end": np.nan, "speaker": f"s{speaker}"}
                    | {"emotion": emotion, "sentence": None}
                )
    return Corpus(name=name, licence="none", table=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Each corpus tells the same emotions by other bands."""
    folder = tmp_path_factory.mktemp("Stimmen ä")
    return [
        made_up(folder, "one", {"anger": (1,), "sadness": (5,)}, seed=1),
        made_up(folder, "two", {"anger": (3,), "sadness": (7,)}, seed=2),
        made_up(folder, "three", {"anger": (6,), "sadness": (0,)}, seed=3),
    ]


@pytest.fixture(scope="module")
def found(corpora, tmp_path_factory) -> EmoLimeReproduction:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emolime_models, "load_embedding", load_ears)
        return reproduce_emolime(
            corpora,
            models=("ears0", "ears1", "ears2"),
            emotions=("wut", "sadness"),
            n_clips=3,
            n_folds=2,
            folder=tmp_path_factory.mktemp("work"),
            **SETTINGS,
        )


def test_every_clip_is_explained_by_a_model_that_has_not_heard_its_speaker(corpora):
    planned = plan(corpora, emotions=("anger", "sadness"), n_clips=5, n_folds=3)
    for corpus in planned.corpora:
        speakers = corpus.table["speaker"]
        for train, test in planned.folds[corpus.name]:
            assert not set(speakers.iloc[train]) & set(speakers.iloc[test])
        tested = np.concatenate([test for _, test in planned.folds[corpus.name]])
        assert sorted(tested) == list(range(len(corpus)))
        for row, fold in planned.clips[corpus.name]:
            assert row in planned.folds[corpus.name][fold][1]
        rows = [row for row, _ in planned.clips[corpus.name]]
        assert corpus.table.loc[rows].groupby("emotion").size().to_dict() == {
            "anger": 5,
            "sadness": 5,
        }


def test_few_clips_are_among_many_and_come_from_the_same_speakers(corpora):
    corpus = corpora[0]
    chosen = [explained_rows(corpus, n, seed=3) for n in (2, 3, 6, 100)]
    for few, many in pairwise(chosen):
        assert set(few) < set(many)
    assert chosen[-1] == list(range(len(corpus)))
    two = corpus.table.loc[chosen[0]]
    of_emotion = two.groupby("emotion")["speaker"].agg(frozenset)
    assert of_emotion["anger"] == of_emotion["sadness"]
    assert explained_rows(corpus, 2, seed=3) != explained_rows(corpus, 2, seed=4)


def test_bands_that_corpora_decide_make_models_agree(found):
    """Each corpus tells emotions by a band of its own; all models hear everything."""
    assert found.verdict("same clips") == found.verdict("other clips") == "holds"
    assert found.headline.startswith("The claim holds here")
    for design in ("same clips", "other clips"):
        assert found.robustness.agreement_of(design, "models")["value"] > 0.8
        assert found.robustness.agreement_of(design, "difference")["low"] > 0.5
        assert found.robustness.test_of(design, "difference")["p"] < 0.05
    profiles = found.robustness.profiles.set_index(["model", "corpus", "emotion"])
    bands = found.about["bands"]
    # At one level, the louder of two bands is the wider one: it decides, for or against.
    for corpus, emotion, other, band in (
        ("one", "sadness", "anger", 5),
        ("two", "sadness", "anger", 7),
        ("three", "anger", "sadness", 6),
    ):
        assert profiles.loc[("ears0", corpus, emotion), bands].astype(float).idxmax() == bands[band]
        assert profiles.loc[("ears0", corpus, other), bands].astype(float).idxmin() == bands[band]
    assert (found.recall["uar"] > 0.8).all()
    assert not found.recall["void"].any()


def test_bands_that_models_decide_make_corpora_agree(tmp_path):
    """Both corpora tell emotions by two bands; one model hears only the lower, one the upper."""
    loud = {"anger": (1, 5), "sadness": (3, 7)}
    corpora = [made_up(tmp_path, name, loud, seed=k) for k, name in enumerate(("one", "two"))]
    found = reproduce_emolime(
        corpora, models=("low", "high"), emotions=loud, n_clips=4, n_folds=2, **SETTINGS
    )
    for design in ("same clips", "other clips"):
        assert found.verdict(design) == "does not hold"
        assert found.robustness.agreement_of(design, "corpora")["value"] > 0.7
    assert "does not hold here" in found.headline
    assert found.robustness.test_of("same clips", "difference")["n_arrangements"] == 6


def test_weights_are_those_of_an_explanation_by_the_model_of_the_fold(corpora, found, tmp_path):
    planned = plan(corpora, emotions=("anger", "sadness"), n_clips=3, n_folds=2)
    corpus = planned.corpora[1]
    row, fold = planned.clips["two"][3]
    train_models(corpus, "ears1", planned.folds["two"], tmp_path, seed=0)
    model = saved_model(tmp_path / str(fold))
    explanation = EmoLime().explain(model, corpus.audio(row), target=corpus.table["emotion"][row])
    table = found.weights
    ours = table[(table["model"] == "ears1") & (table["corpus"] == "two")]
    ours = ours[ours["clip"] == str(row)].iloc[0]
    np.testing.assert_allclose(
        ours[found.about["bands"]].astype(float), explanation.target_weights, atol=1e-9
    )
    assert ours["answer"] == model.labels[int(explanation.prediction.argmax())]
    assert ours["speaker"] == corpus.table["speaker"][row]


def test_a_model_that_recognises_nothing_is_void_and_said_to_be(corpora):
    found = reproduce_emolime(
        corpora[:2],
        models=("ears0", "ears1", "deaf"),
        emotions=("anger", "sadness"),
        n_clips=2,
        n_folds=2,
        **SETTINGS,
    )
    recall = found.recall.set_index(["model", "corpus"])
    assert bool(recall.loc[("deaf", "one"), "void"])  # nothing of corpus one is in band 8
    assert not bool(recall.loc[("deaf", "two"), "void"])
    assert ["deaf", "one"] in found.robustness.about["void"]
    assert any(line.startswith("Void") and "deaf on one" in line for line in found.summary)
    profiles = found.robustness.profiles
    assert not ((profiles["model"] == "deaf") & (profiles["corpus"] == "one")).any()
    assert not ((found.flipping["model"] == "deaf") & (found.flipping["corpus"] == "one")).any()


def test_recall_is_that_of_speakers_held_out(corpora, tmp_path):
    corpus = corpora[0]
    folds = [(fold.train, fold.test) for fold in corpus.speaker_folds(2, seed=0)]
    result = train_models(corpus, "ears0", folds, tmp_path, seed=0)
    assert sorted(result["rows"]) == list(range(len(corpus)))
    emotions = corpus.table["emotion"]
    answer = dict(zip(result["rows"], result["answers"], strict=True))
    for k, (_, test) in enumerate(folds):
        model = saved_model(tmp_path / str(k))
        answers = model.predict_proba([corpus.audio(int(row)).samples for row in test])
        for row, given in zip(test, answers, strict=True):
            assert model.labels[int(given.argmax())] == result["labels"][answer[int(row)]]
    assert np.mean([result["labels"][answer[i]] == emotions[i] for i in answer]) > 0.9
    card = json.loads((tmp_path / "0" / "model.json").read_text("utf-8"))
    assert card["training"]["speakers"] == sorted(set(corpus.table["speaker"].iloc[folds[0][0]]))


def test_answers_kept_are_counted_over_all_sets_of_bands(corpora):
    model = BandModel(band_hz=(EDGES_HZ[2], EDGES_HZ[3]), reference=1e-5)
    audio = corpora[0].audio(0)
    explanation = EmoLime().explain(model, audio)
    assert explanation.prediction[0] > 0.5
    top, random = kept(explanation, model)
    np.testing.assert_array_equal(top, 0.0)  # its only band goes first
    np.testing.assert_allclose(random, [7 / 8, 6 / 8, 5 / 8, 4 / 8])
    few = EmoLime(estimator="lime", samples=40, seed=0).explain(model, audio)
    top, random = kept(few, model, seed=1)
    np.testing.assert_array_equal(top, 0.0)
    np.testing.assert_allclose(random, [7 / 8, 6 / 8, 5 / 8, 4 / 8], atol=0.3)


def test_flipping_means_and_intervals(found):
    weights = found.weights
    table = flipping_table(weights, void=set(), seed=0)
    cell = table[(table["model"] == "ears0") & (table["corpus"] == "one")].set_index("n_removed")
    some = weights[(weights["model"] == "ears0") & (weights["corpus"] == "one")]
    by_speaker = some.groupby("speaker")[["kept_top_2", "kept_random_2"]].mean().mean()
    assert cell.loc[2, "top"] == pytest.approx(by_speaker["kept_top_2"])
    assert cell.loc[2, "random"] == pytest.approx(by_speaker["kept_random_2"])
    assert cell.loc[2, "lost"] == pytest.approx(cell.loc[2, "random"] - cell.loc[2, "top"])
    every = table[table["model"] == "all"].set_index("n_removed")
    cells = table[table["model"] != "all"]
    assert every.loc[1, "top"] == pytest.approx(cells[cells["n_removed"] == 1]["top"].mean())
    assert every.loc[1, "lost_low"] > 0.2  # the band that decides is known
    assert (every["lost_low"] <= every["lost"]).all()
    assert (every["lost"] <= every["lost_high"]).all()


def test_a_run_goes_on_where_it_stopped_and_more_clips_are_added(corpora, tmp_path, monkeypatch):
    settings = {
        "models": ("ears0", "ears1"),
        "emotions": ("anger", "sadness"),
        "n_folds": 2,
        "folder": tmp_path,
        **SETTINGS,
    }
    first = reproduce_emolime(corpora[:2], n_clips=2, **settings)
    done: list[tuple[str, int, int]] = []
    again = reproduce_emolime(
        corpora[:2], n_clips=2, progress=lambda *step: done.append(step), **settings
    )
    assert again.to_dict() == first.to_dict()
    assert [step for step in done if step[0] != "comparing"] == [
        ("training models", 4, 4),
        ("explaining clips", 16, 16),
    ]
    done.clear()
    more = reproduce_emolime(
        corpora[:2], n_clips=3, progress=lambda *step: done.append(step), **settings
    )
    explained = [step for step in done if step[0] == "explaining clips"]
    assert explained[0] == ("explaining clips", 16, 24)
    assert more.robustness.about["n_clips"] == 12
    with pytest.raises(InputError, match=r"of a run with other settings \(models"):
        reproduce_emolime(corpora[:2], n_clips=2, **settings | {"models": ("ears0", "ears2")})
    shutil.rmtree(tmp_path / "models" / "one-ears1")
    with pytest.raises(InputError, match="holds no model, though it was trained"):
        reproduce_emolime(corpora[:2], n_clips=2, **settings)


def test_choices_hold_the_main_one_first(found):
    main = found.choices.iloc[0]
    assert tuple(main[["weights", "target", "correlation", "clips"]]) == (
        "weights",
        "truth",
        "pearson",
        "all",
    )
    assert main["other_difference"] == pytest.approx(
        found.robustness.agreement_of("other clips", "difference")["value"]
    )
    assert set(found.choices["weights"]) == {"weights", "lime"}
    assert (found.choices["same_difference"] > 0.3).all()  # whatever is chosen


def test_the_summary_says_what_the_tables_hold(found):
    text = " ".join(found.summary)
    difference = found.robustness.agreement_of("other clips", "difference")
    assert f"a difference of {interval_text(difference, signed=True)}" in text
    for words in ("unweighted average recall", "Spearman-Brown", "Pixel flipping", "Clip by clip"):
        assert words in text
    assert "Void" not in text
    assert (p_text(0.0004), p_text(0.0123), p_text(np.nan)) == (
        "p < 0.001",
        "p = 0.012",
        "p not known",
    )


def with_figures(found, *, same, other):
    """The same result with other differences and p, as ((low, high), p) by design."""
    agreement, tests = found.robustness.agreement.copy(), found.robustness.tests.copy()
    for design, ((low, high), p) in (("same clips", same), ("other clips", other)):
        rows = (agreement["design"] == design) & (agreement["what"] == "difference")
        agreement.loc[rows, ["value", "low", "high"]] = [(low + high) / 2, low, high]
        rows = (tests["design"] == design) & (tests["what"] == "difference")
        tests.loc[rows, "p"] = p
    robustness = replace(found.robustness, agreement=agreement, tests=tests)
    return replace(found, robustness=robustness)


@pytest.mark.parametrize(
    ("same", "other", "verdicts", "words"),
    [
        (((0.1, 0.3), 0.001), ((0.1, 0.2), 0.01), ("holds", "holds"), "The claim holds here"),
        (
            ((0.1, 0.3), 0.001),
            ((-0.1, 0.2), 0.01),
            ("holds", "cannot be told"),
            "as published, this holds; with other clips",
        ),
        (
            ((0.1, 0.3), 0.2),
            ((0.1, 0.2), 0.06),
            ("cannot be told", "cannot be told"),
            "cannot be told here",
        ),
        (
            ((-0.4, -0.1), 0.9),
            ((-0.3, -0.1), 0.9),
            ("does not hold", "does not hold"),
            "does not hold here",
        ),
    ],
)
def test_verdicts(found, same, other, verdicts, words):
    changed = with_figures(found, same=same, other=other)
    assert (changed.verdict("same clips"), changed.verdict("other clips")) == verdicts
    assert words in changed.headline
    assert changed.summary[0] == changed.headline


def test_a_claim_that_hangs_on_a_choice_is_said_to(found):
    choices = found.choices.copy()
    choices[["same_difference_low", "other_difference_low"]] = 0.1
    choices[["same_p", "other_p"]] = 0.01
    clear = replace(found, choices=choices.copy())
    choices.loc[1, "other_p"] = 0.2
    choices.loc[2, "same_difference_low"] = -0.1
    changed = replace(found, choices=choices)
    assert clear.n_choices_hold == (5, 5)
    assert "of the same clips and of other clips too" in clear.headline
    assert changed.n_choices_hold == (3, 5)
    assert "not whatever is chosen" in changed.headline
    assert "in 3 of 5 ways" in changed.headline


def test_saved_is_what_was_found(found, tmp_path):
    found.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    content = json.loads((folder / "reproduction.json").read_text("utf-8"))
    assert content["summary"] == list(found.summary)
    assert content["verdicts"]["same clips"]["all"] == "holds"
    assert content["emotions"] == ["anger", "sadness"]
    for name in ("weights", "profiles", "agreement", "tests", "recall", "flipping", "choices"):
        assert len(pd.read_csv(folder / f"{name}.csv")) == len(content[name])
    assert content["agreement"][0]["value"] == pytest.approx(
        found.robustness.agreement["value"].iloc[0], abs=1e-6
    )


def test_what_cannot_be_explained_is_left_out_and_counted(corpora, found, monkeypatch):
    from cuelens.evaluate import emolime_tasks

    real = emolime_tasks.explain_clip

    def fails(corpora, explainer, name, row, folder):
        if name == "two" and "ears1" in str(folder) and row in bad:
            raise InputError("no sound in it")
        return real(corpora, explainer, name, row, folder)

    planned = plan(corpora[:2], emotions=("anger", "sadness"), n_clips=3, n_folds=2)
    bad = {planned.clips["two"][0][0]}
    monkeypatch.setattr(emolime_tasks, "explain_clip", fails)
    settings = {"emotions": ("anger", "sadness"), "n_clips": 3, "n_folds": 2, **SETTINGS}
    result = reproduce_emolime(corpora[:2], models=("ears0", "ears1"), **settings)
    assert result.robustness.about["n_incomplete"] == 1
    assert result.robustness.about["n_clips"] == 11
    assert list(result.about["failed"].values()) == ["no sound in it"]
    assert any("1 that some model could not explain" in line for line in result.summary)


def test_what_cannot_be_used_is_refused(corpora, tmp_path):
    two = {"models": ("ears0", "ears1"), "emotions": ("anger", "sadness"), "n_folds": 2}
    with pytest.raises(InputError, match="target is 'both'; expected truth or answer"):
        reproduce_emolime(corpora, target="both", **two)
    with pytest.raises(InputError, match="corpora are one; expected two or more"):
        reproduce_emolime(corpora[:1], **two)
    with pytest.raises(InputError, match="corpora are one, one; expected two or more, all differ"):
        reproduce_emolime([corpora[0], corpora[0]], **two)
    with pytest.raises(InputError, match="models are ears0; expected two or more"):
        reproduce_emolime(corpora, **two | {"models": ("ears0",)})
    with pytest.raises(InputError, match="unknown embedding 'nose'"):
        reproduce_emolime(corpora, **two | {"models": ("ears0", "nose")})
    with pytest.raises(InputError, match="no emotion fear"):
        reproduce_emolime(corpora, **two | {"emotions": ("anger", "fear")})
    with pytest.raises(InputError, match="emotions are anger; expected two or more"):
        reproduce_emolime(corpora, **two | {"emotions": ("anger",)})
    with pytest.raises(InputError, match="n_clips is 1 and n_folds 2"):
        reproduce_emolime(corpora[:2], n_clips=1, **two)
    table = corpora[0].table
    only = table[(table["emotion"] == "anger") | (table["speaker"] == "s0")]
    with pytest.raises(InputError, match=r"one: without speakers s0.* nobody is left who has sadn"):
        plan([replace(corpora[0], table=only), corpora[1]], emotions=("anger", "sadness"))
    model = CallableModel(function=lambda waveforms: np.ones((1, 1)), labels=("a",))
    with pytest.raises(InputError, match="cannot be saved"):
        save_model(model, tmp_path / "x", spec="ears0", training={})


@pytest.mark.corpus
def test_real_speech(data_dir, tmp_path, monkeypatch):
    """Bundled emotions of EmoDB, told by eGeMAPS: better than chance, the same model when read."""
    corpus = load_corpus(data_dir / "emodb-2s")
    corpus = corpus.select(emotions=("anger", "sadness"), speakers=corpus.speakers[:4])
    fold = corpus.speaker_folds(2, seed=0)[0]
    result = train_models(corpus, "egemaps", [(fold.train, fold.test)], tmp_path, seed=0)
    truth = [result["labels"].index(corpus.table["emotion"][row]) for row in result["rows"]]
    assert np.mean(np.array(truth) == result["answers"]) > 0.8
    explainer = EmoLime(units=FrequencyBands(n_bands=4))
    row = int(fold.test[0])
    explained = explain_clip({"emodb-2s": corpus}, explainer, "emodb-2s", row, tmp_path / "0")
    answer = int(np.argmax(explained["prediction"]))
    assert answer == result["answers"][result["rows"].index(row)]
    total = np.sum(explained["weights"], axis=1)
    assert total == pytest.approx(np.array(explained["prediction"]) - 0.5, abs=1e-6)  # of silence
    assert np.shape(explained["lime"]) == (2, 4)
