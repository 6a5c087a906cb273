"""Faithfulness over a corpus: its rows are those of single clips, its summary is arithmetic."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import soundfile
import typer
from tests.figure_checks import check_figure
from typer.testing import CliRunner

from cuelens import EmoLime, FrequencyBands, InputError
from cuelens.cli.evaluate_faithfulness import default_explainers, faithfulness
from cuelens.corpora import Corpus
from cuelens.cues.baseline import stretch
from cuelens.evaluate.faithfulness import MEASURES, faithfulness_curves
from cuelens.evaluate.faithfulness_corpus import evaluate_faithfulness
from cuelens.evaluate.faithfulness_result import SHARES
from cuelens.evaluate.fills import FILLS, mean_spectrum
from cuelens.explain import GradCam
from cuelens.models import load_model
from cuelens.testing import BandModel, ConstantModel, noise
from cuelens.units import TimeFrequencyCells, TimeWindows

MODEL = BandModel(band_hz=(500.0, 3000.0))
BANDS = EmoLime(units=FrequencyBands(n_bands=4))
WINDOWS = EmoLime(units=TimeWindows())


@dataclass(frozen=True, kw_only=True)
class Backwards:
    """The bands of EmoLIME with their order turned round."""

    def explain(self, model, audio, *, target=None):
        right = BANDS.explain(model, audio, target=target)
        return replace(right, weights=-right.weights)


@dataclass(frozen=True, kw_only=True)
class Fails:
    """Cannot explain short clips."""

    def explain(self, model, audio, *, target=None):
        if audio.duration_s < 0.45:
            raise InputError("too short for this explainer")
        return BANDS.explain(model, audio, target=target)


def made(folder, *, n_speakers=3, n_clips=2) -> Corpus:
    """Noises, each speaker's of a length of their own; 0.4 s and more."""
    rows = []
    for speaker in range(n_speakers):
        for clip in range(n_clips):
            file = folder / f"{speaker}_{clip}.wav"
            level = 0.02 * (1 + clip) * (1 + speaker)
            samples = noise(duration_s=0.4 + 0.1 * speaker, level=level, seed=7 * speaker + clip)
            soundfile.write(file, samples, 16_000)
            rows.append({"file": str(file), "start": 0.0, "end": np.nan, "emotion": "anger",
                         "speaker": f"s{speaker}", "sentence": "a"})  # fmt: skip
    return Corpus(name="noises", licence="CC0", table=pd.DataFrame(rows))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return made(tmp_path_factory.mktemp("noises"))


@pytest.fixture(scope="module")
def result(corpus):
    explainers = {"bands": BANDS, "backwards": Backwards(), "windows": WINDOWS, "map": GradCam()}
    return evaluate_faithfulness(corpus, MODEL, explainers, n_random=4, seed=2)


def test_rows_are_those_of_single_clips(corpus, result):
    frame = result.to_frame()
    assert len(frame) == 6 * 3 * 3
    assert not frame["error"].any()
    spectrum = mean_spectrum(corpus.audio(row) for row in range(6))
    for row in (0, 5):
        explanation = BANDS.explain(MODEL, corpus.audio(row))
        for fill in FILLS:
            curves = faithfulness_curves(
                explanation, MODEL, fill=fill, spectrum=spectrum, seed=2, n_random=4
            )
            own = frame[
                (frame["file"] == corpus.table["file"][row])
                & (frame["explainer"] == "bands")
                & (frame["fill"] == fill)
            ].iloc[0]
            for name, value in curves.measures().items():
                assert own[name] == pytest.approx(value, abs=1e-9)
            for name, value in curves.random_measures().items():
                assert own[f"random_{name}"] == pytest.approx(value, abs=1e-9)
            best = curves.best_areas()["deletion_area"]
            assert own["best_deletion_area"] == pytest.approx(best, abs=1e-9)
            assert own["answer"] == explanation.target
            assert own["probability_of_fill"] == pytest.approx(curves.insertion[0], abs=1e-9)
            assert own["removed"] == "frequency bands"
    assert frame[frame["explainer"] == "windows"]["best_deletion_area"].notna().all()
    assert set(frame[frame["explainer"] == "bands"]["n_units"]) == {4}


def test_the_summary_is_arithmetic(result):
    frame, summary = result.to_frame(), result.summary()
    assert len(summary) == 3 * 3 * len(MEASURES)
    for _, row in summary.iterrows():
        own = frame[(frame["explainer"] == row["explainer"]) & (frame["fill"] == row["fill"])]
        first = frame[(frame["explainer"] == "bands") & (frame["fill"] == row["fill"])]
        values, random = own[row["measure"]].to_numpy(), own[f"random_{row['measure']}"].to_numpy()
        assert row["mean"] == pytest.approx(values.mean())
        assert row["minus_random"] == pytest.approx((values - random).mean())
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["n_clips"] == 6
        if row["explainer"] == "backwards":
            against = values - first[row["measure"]].to_numpy()
            assert row["minus_first"] == pytest.approx(against.mean())
            assert row["minus_first_low"] <= row["minus_first"] <= row["minus_first_high"]
        else:  # the first itself, and one of which other units are removed
            assert np.isnan(row["minus_first"])
    # Three speakers: an interval is one over means of speakers' sums, drawn with replacement.
    own = frame[(frame["explainer"] == "bands") & (frame["fill"] == "noise")]
    sums = own.groupby("speaker")["deletion_area"].sum().to_numpy()
    draws = [sums[list(i)].sum() / 6 for i in np.ndindex(3, 3, 3)]
    row = summary[
        (summary["explainer"] == "bands")
        & (summary["fill"] == "noise")
        & (summary["measure"] == "deletion_area")
    ].iloc[0]
    low, high = np.percentile(np.repeat(draws, 1000), [2.5, 97.5])
    mean = sums.sum() / 6
    assert row["low"] == pytest.approx(mean + stretch(3) * (low - mean))
    assert row["high"] == pytest.approx(mean + stretch(3) * (high - mean))


def test_a_better_order_comes_out_better(result):
    summary = result.summary().set_index(["explainer", "fill", "measure"]).sort_index()
    right, wrong = (summary.loc[(name, "silence")] for name in ("bands", "backwards"))
    assert right.loc["deletion_area", "mean"] < wrong.loc["deletion_area", "mean"]
    assert right.loc["percentile_deletion", "mean"] > 0.8
    assert wrong.loc["percentile_deletion", "mean"] < 0.2
    assert wrong.loc["deletion_area", "minus_random_low"] > 0
    assert right.loc["deletion_area", "best"] <= right.loc["deletion_area", "mean"] + 1e-12
    assert "looks inside a network" in result.about["skipped"]["map"]


def test_mean_curves_are_means_of_curves(result):
    curves = result.curves()
    assert len(curves) == 3 * 3 * len(SHARES)
    own = curves[(curves["explainer"] == "windows") & (curves["fill"] == "silence")]
    each = []
    for entry in result.entries:
        if (entry["explainer"], entry["fill"]) == ("windows", "silence"):
            found = entry["curves"]
            each.append(np.interp(SHARES, found["share_removed"], found["deletion"]))
    np.testing.assert_allclose(own["deletion"], np.mean(each, axis=0))
    bands = curves[(curves["explainer"] == "bands") & (curves["fill"] == "silence")]
    frame = result.to_frame()
    whole = frame[frame["explainer"] == "bands"].groupby("file")["probability"].first().mean()
    assert bands["deletion"].iloc[0] == pytest.approx(whole)
    assert bands["insertion"].iloc[-1] == pytest.approx(whole)


def test_saved_as_json_table_and_figure(result, tmp_path):
    file = result.save(tmp_path / "out")
    found = json.loads(file.read_text("utf-8"))
    check_figure(result.plot())
    assert found["schema_version"] == 1
    assert found["n_clips"] == 6
    assert len(found["summary"]) == 63
    assert (file.parent / "faithfulness.png").stat().st_size > 10_000
    table = pd.read_csv(file.parent / "faithfulness.csv")
    np.testing.assert_allclose(table["deletion_area"], result.to_frame()["deletion_area"])
    again = (tmp_path / "again").joinpath("faithfulness.png")
    result.save(again.parent)
    assert again.read_bytes() == (file.parent / "faithfulness.png").read_bytes()


def test_the_same_cells_make_all_explainers_comparable(corpus):
    cells = TimeFrequencyCells(bands=FrequencyBands(n_bands=2))
    found = evaluate_faithfulness(
        *(corpus, MODEL, {"bands": BANDS, "windows": WINDOWS}),
        n_clips=2, n_random=2, fills=["silence"], cells=cells,
    )  # fmt: skip
    assert set(found.to_frame()["removed"]) == {"time-frequency cells"}
    windows = found.summary().query("explainer == 'windows'")
    assert windows["minus_first"].notna().all()


def test_goes_on_and_does_not_depend_on_processes(corpus, tmp_path):
    options = {"n_clips": 3, "n_random": 2, "fills": ["silence", "noise"], "seed": 1}
    explainers = {"bands": BANDS, "windows": WINDOWS}
    whole = evaluate_faithfulness(corpus, MODEL, explainers, **options)
    journal = tmp_path / "clips.jsonl"
    seen = []
    first = evaluate_faithfulness(corpus, MODEL, explainers, journal=journal, **options)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:2]))
    again = evaluate_faithfulness(
        corpus, MODEL, explainers, journal=journal, n_workers=1, progress=seen.append, **options
    )
    assert sum(seen) == 3
    assert whole.to_dict() == first.to_dict() == again.to_dict()
    with pytest.raises(InputError, match="other settings \\(n_random was"):
        evaluate_faithfulness(
            corpus, MODEL, explainers, journal=journal, **{**options, "n_random": 4}
        )


def test_what_fails_is_said_and_left_out(tmp_path):
    corpus = made(tmp_path, n_speakers=2)
    soundfile.write(corpus.table["file"][3], np.zeros(8000), 16_000)
    found = evaluate_faithfulness(corpus, MODEL, {"bands": BANDS, "fails": Fails()}, n_random=2)
    frame = found.to_frame()
    errors = frame[frame["error"] != ""]
    assert len(errors) == 2 * 3 + 2 * 3  # a silent clip for both, two short ones for one
    assert errors["deletion_area"].isna().all()
    assert len(found.to_dict()["failed"]) == 12
    counts = found.summary().groupby("explainer")["n_clips"].first()
    assert counts.to_dict() == {"bands": 3, "fails": 1}
    row = found.summary().query("explainer == 'fails' and measure == 'deletion_area'").iloc[0]
    assert row["minus_first"] == 0.0
    assert np.isnan(row["low"])
    with pytest.raises(InputError, match="no clip could be judged, the first because: too short"):
        evaluate_faithfulness(made(tmp_path, n_speakers=1), MODEL, {"fails": Fails()})


def test_what_cannot_be_done_is_said(corpus):
    with pytest.raises(InputError, match="expected at least one of each"):
        evaluate_faithfulness(corpus, MODEL, {})
    with pytest.raises(InputError, match="expected one of silence"):
        evaluate_faithfulness(corpus, MODEL, {"bands": BANDS}, fills=["gap"])
    with pytest.raises(InputError, match="map: looks inside a network, and constant is none"):
        evaluate_faithfulness(corpus, ConstantModel(), {"map": GradCam()})


# The command


def run(*arguments: str):
    app = typer.Typer(rich_markup_mode="markdown")
    app.command()(faithfulness)
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


def test_the_command_prints_and_writes(corpus, tmp_path):
    table = tmp_path / "clips.csv"
    corpus.table.drop(columns=["start", "end"]).to_csv(table, index=False)
    arguments = (
        *(
            "--model",
            "emodb-egemaps",
            "--corpus",
            str(table),
            "--explainer",
            f"python:{__name__}:BANDS",
        ),
        *("--explainer", "grad-cam", "--fill", "silence", "--clips", "2", "--speakers", "s0,s1"),
        *("--workers", "1", "--out", str(tmp_path / "out")),
    )
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "emodb-egemaps on" in text
    assert "filled with silence" in text
    assert "left out: grad-cam looks inside a network" in text
    found = json.loads((tmp_path / "out" / "faithfulness.json").read_text("utf-8"))
    assert found["fills"] == ["silence"]
    assert found["cells"] is None
    lines = (tmp_path / "out" / "clips.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert run(*arguments).exit_code == 0  # from the journal
    assert (tmp_path / "out" / "clips.jsonl").read_text().splitlines() == lines


def test_the_command_says_what_is_wrong_and_teaches(tmp_path):
    with pytest.raises(InputError, match="fill is 'zeros'; expected one of silence"):
        run("--fill", "zeros", "--out", str(tmp_path))
    with pytest.raises(InputError, match="explainer 'magic': expected one of shapley"):
        run("--explainer", "magic", "--out", str(tmp_path))
    help_text = " ".join(run("--help").output.split())
    assert "Does the answer fall" in help_text
    assert "50 is chance" in help_text


def test_default_explainers_fit_the_model():
    assert default_explainers(MODEL) == ["shapley", "lime-64", "shapley-windows"]
    assert "grad-cam" in default_explainers(load_model("emodb-cnn"))


@pytest.mark.corpus
def test_what_is_put_back_of_real_speech_beats_random_order(data_dir):
    """A network, a map and bands on two clips of EmoDB, all judged by the same cells."""
    from cuelens.corpora import load_corpus

    found = evaluate_faithfulness(
        load_corpus(str(data_dir / "emodb-2s")),
        load_model("emodb-cnn"),
        {"shapley": EmoLime(), "map": GradCam()},
        n_clips=2, n_random=4, n_steps=5, fills=["silence"], cells=TimeFrequencyCells(),
    )  # fmt: skip
    summary = found.summary().set_index(["explainer", "measure"])
    for name in ("shapley", "map"):
        assert summary.loc[(name, "insertion_area"), "minus_random"] > 0
