"""Planted cues of whole clips, on synthetic voices and on tables made by hand."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from cuelens import Audio, InputError, MissingExtraError
from cuelens.cli import evaluate_planted_cues as command
from cuelens.corpora import Corpus
from cuelens.evaluate import planted_cues as module
from cuelens.evaluate.cue_edits import CUE_EDITS
from cuelens.evaluate.planted_cues import evaluate_planted_cues
from cuelens.evaluate.planted_cues_result import PlantedCues
from cuelens.explain.salient_windows import SalientWindow
from cuelens.testing import speech_like, tone

needs_world = pytest.mark.skipif(
    importlib.util.find_spec("pyworld") is None,
    reason='needs pyworld: pip install "cuelens[synth]"',
)
TINY = {"edits": ("level", "f0-range"), "n_clips": 20, "n_test": 2, "n_versions": 16, "n_probes": 1}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """Four voices, five clips of each that differ a little."""
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(5)
    rows = []
    for speaker, f0_hz in (("ann", 200.0), ("bea", 175.0), ("carl", 120.0), ("dan", 100.0)):
        for k in range(5):
            samples = speech_like(
                f0_hz=f0_hz * rng.uniform(0.95, 1.05),
                duration_s=0.9,
                tilt_db_per_octave=rng.uniform(-10, -8),
                seed=k,
            )
            file = folder / f"{speaker}{k}.wav"
            soundfile.write(file, samples * 10 ** (rng.uniform(-4, 0) / 20), 16_000)
            rows.append({"file": str(file), "start": 0.0, "end": np.nan, "speaker": speaker})
    table = pd.DataFrame(rows).assign(emotion="neutral", sentence=pd.NA)
    return Corpus(name="voices", licence="CC0", table=table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def stages():
    return []


@pytest.fixture(scope="module")
def found(corpus, folder, stages):
    def note(what, done, total):
        stages.append((what, done, total))

    return evaluate_planted_cues(corpus, **TINY, folder=folder, progress=note)


# --- the whole evaluation ---------------------------------------------------------------------


@needs_world
def test_a_louder_clip_is_named_as_louder(found):
    models = found.models.set_index("edit")
    assert models.loc["level", "recall"] >= 0.95
    assert not models.loc["level", "void"]
    assert models.loc["level", "change_sd"] > 1
    level = found.clips[found.clips["edit"] == "level"]
    assert len(level) == 2
    assert level["speaker"].nunique() == 2  # spread over the speakers
    assert level["first"].all()
    assert (level["leader"] == "intensity").all()
    assert level["clip_first"].any()
    assert (level["clip_effect"] > level["effect"]).all()  # clips vary less than moments
    assert (level["effect"] > level["untouched_effect"] + 1).all()
    assert not level["untouched_first"].any()


@needs_world
def test_level_changes_nothing_but_loudness(found):
    level = found.cues[found.cues["edit"] == "level"]
    change = (
        (level["size"] - level["untouched_size"]).groupby(level["cue"]).agg(lambda x: abs(x).max())
    )
    others = change.drop("intensity")
    assert change["intensity"] > 4 * others.max()
    for cue in ("f0_level", "high_frequency_energy", "shimmer"):
        assert others.get(cue, 0.0) < 0.1


@needs_world
def test_edits_that_cannot_be_told_are_void_and_not_explained(found):
    models = found.models.set_index("edit")
    assert models.loc["f0-range", "void"]  # the voices are monotonous: nothing to widen
    assert models.loc["f0-range", "recall"] < 0.95
    assert set(found.clips["edit"]) == set(found.probes["edit"]) == {"level"}


@needs_world
def test_probing_calls_the_edited_functional_used_and_no_shuffled_one(found):
    probed = found.probes[found.probes["edit"] == "level"]
    roles = probed.set_index("feature")["role"]
    assert roles["loudness_sma3_amean"] == "edited"
    assert roles["equivalentSoundLevel_dBp"] == "changed"
    assert roles["F0semitoneFrom27.5Hz_sma3nz_amean"] == "shuffled"
    board = found.probe_board().set_index("edit")
    assert board.loc["level", "wrong"] == 0
    assert board.loc["level", "falsely_used"] == 0
    assert board.loc["level", "n_shuffled"] == (roles == "shuffled").sum()


@needs_world
def test_progress_counts_to_the_end_and_a_second_run_repeats_nothing(
    found, corpus, folder, stages, monkeypatch
):
    last = {what: (done, total) for what, done, total in stages}
    assert last["editing and measuring"] == (20, 20)
    assert last["explaining"][0] == last["explaining"][1] == len(found.clips)
    assert last["probing"][0] == last["probing"][1]

    def refuse(*_):
        raise AssertionError("was done before")

    for name in ("_measure", "_explain", "_probe"):
        monkeypatch.setattr(module, name, refuse)
    again = evaluate_planted_cues(corpus, **TINY, folder=folder)
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())
    pd.testing.assert_frame_equal(again.clips, found.clips)


@needs_world
def test_what_is_saved_can_be_read(found, tmp_path):
    found.save(tmp_path)
    content = json.loads((tmp_path / "planted_cues.json").read_text())
    assert content["corpus"] == "voices"
    assert content["cue_table"][0]["edit"] == "level"
    assert content["probing"][0]["feature"] == "loudness_sma3_amean"
    assert len(pd.read_csv(tmp_path / "clips.csv")) == len(found.clips)
    assert len(pd.read_csv(tmp_path / "cues.csv")) == len(found.cues)
    assert len(pd.read_csv(tmp_path / "probes.csv")) == len(found.probes)


@needs_world
def test_command_prints_both_tables(corpus, folder, found, monkeypatch):
    monkeypatch.setattr("cuelens.corpora.load_corpus", lambda name: corpus)
    monkeypatch.setattr(module, "evaluate_planted_cues", lambda *_, **__: found)
    app = typer.Typer()
    app.command()(command.planted_cues)
    done = CliRunner().invoke(app, ["--corpus", "voices", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert "does the edited cue lead the cue table?" in done.output
    assert "void: f0-range" in done.output
    assert "shuffled called used" in done.output


def test_command_teaches_and_refuses(corpus, monkeypatch, tmp_path):
    app = typer.Typer()
    app.command()(command.planted_cues)
    helped = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert helped.exit_code == 0
    for edit in CUE_EDITS:
        assert edit in helped.output
    monkeypatch.setattr("cuelens.corpora.load_corpus", lambda name: corpus)
    options = ["--corpus", "voices", "--out", str(tmp_path)]
    wrong = CliRunner().invoke(app, [*options, "--edit", "echo"])
    assert isinstance(wrong.exception, InputError)
    assert "edit is 'echo'" in str(wrong.exception)
    wrong = CliRunner().invoke(app, [*options, "--emotion", "grumpy"])
    assert isinstance(wrong.exception, InputError)
    assert CliRunner().invoke(app, []).exit_code == 2


# --- tables made by hand ----------------------------------------------------------------------


def made(clips, probes=(), models=()):
    return PlantedCues(
        about={"corpus": "made"},
        models=pd.DataFrame(models),
        clips=pd.DataFrame(clips),
        cues=pd.DataFrame(),
        probes=pd.DataFrame(probes),
        errors=("one clip failed",),
    )


def clip(first, *, p=0.9, speaker="a", leader="f0_level", n_cues=10, effect=2.0):
    return {
        "edit": "f0-level",
        "cue": "f0_level",
        "row": 0,
        "speaker": speaker,
        "p": p,
        "first": first,
        "rank": 1.0 if first else 3.0,
        "leader": leader,
        "n_cues": n_cues,
        "effect": effect,
        "named": float(first),
        "clip_first": True,
        "clip_leader": "f0_level",
        "clip_effect": 5.0,
        "untouched_first": False,
        "untouched_leader": "f1",
        "untouched_effect": 0.5,
        "first_change": True,
        "leader_change": "f0_level",
    }


def test_leaderboard_counts_clips_that_the_model_calls_edited():
    board = made(
        [
            clip(True),
            clip(True, speaker="b"),
            clip(True, speaker="c"),
            clip(False, leader="f1", n_cues=5, effect=1.0, speaker="d"),
            clip(False, leader="hnr", p=0.2),
        ]
    ).leaderboard()
    (row,) = board.to_dict("records")
    assert row["n_clips"] == 4
    assert row["first"] == 0.75
    assert row["first_low"] < 0.75 < row["first_high"]
    assert row["rank"] == pytest.approx(1.5)
    assert row["n_ranked"] == row["n_clips"]
    assert row["chance"] == pytest.approx((3 / 10 + 1 / 5) / 4)
    assert (row["rival"], row["rival_share"]) == ("f1", 0.25)
    assert (row["clip_first"], row["clip_first_high"], row["clip_rival"]) == (1.0, 1.0, "")
    assert row["clip_first_low"] < 1.0
    assert row["clip_effect"] == 5.0
    assert (row["change_rival"], row["change_rival_share"]) == ("", 0.0)
    assert row["effect"] == pytest.approx(1.75)
    assert row["untouched_effect"] == pytest.approx(0.5)
    assert row["above_chance"] == (row["first_low"] > row["chance"])


def test_probe_board_counts_verdicts():
    verdicts = ["carried and used", "undecided", "carried, not used"]
    probes = [
        {"edit": "level", "draw": k, "feature": "loudness", "role": "edited", "verdict": verdict}
        for k, verdict in enumerate(verdicts)
    ]
    probes += [
        {"edit": "level", "draw": 0, "feature": f"f{k}", "role": "shuffled", "verdict": verdict}
        for k, verdict in enumerate([*verdicts, "not carried"])
    ]
    probes += [
        {"edit": "level", "draw": 0, "feature": "g", "role": "changed", "verdict": verdicts[0]}
    ]
    (row,) = made([], probes).probe_board().to_dict("records")
    assert (row["used"], row["undecided"], row["wrong"], row["n_draws"]) == (1, 1, 1, 3)
    assert (row["falsely_used"], row["n_shuffled"]) == (1, 4)
    assert row["right"] == pytest.approx((1 / 3 + 3 / 4) / 2)


def test_nothing_to_explain_gives_empty_tables(capsys):
    nothing = made([], models=[{"edit": "tempo", "recall": 0.8, "void": True}])
    assert nothing.leaderboard().empty
    assert nothing.probe_board().empty
    command.print_planted_cues(nothing)
    printed = capsys.readouterr().out
    assert "void: tempo is told from untouched for 80.0% of held-out clips only" in printed
    assert "nothing to explain" in printed
    assert "failed: one clip failed" in printed


@pytest.mark.parametrize(
    ("effects", "first", "rank", "leader"),
    [
        ({"hnr": -3.0, "f1": 2.0}, True, 1, "hnr"),
        ({"hnr": 3.0, "f1": 2.0}, False, 1, "hnr"),  # the wrong way
        ({"hnr": -1.0, "f1": 2.0, "jitter": -1.5}, False, 3, "f1"),
        ({"f1": 2.0}, False, np.nan, "f1"),
        ({}, False, np.nan, ""),
    ],
)
def test_the_edited_cue_must_lead_in_the_right_direction(effects, first, rank, leader):
    found = module._led(effects, CUE_EDITS["breathiness"])
    assert found["first"] is first
    assert found["leader"] == leader
    np.testing.assert_equal(found["rank"], float(rank))


def test_moments_are_the_same_in_a_clip_of_another_tempo():
    slow, fast = (
        Audio(samples=tone(200.0, duration_s=duration_s), sample_rate=16_000)
        for duration_s in (1.5, 1.0)
    )
    windows = [SalientWindow(start_s=s, end_s=s + 0.15, score=0.5) for s in (0.2, 0.85)]
    moved = module._moved(windows, fast, slow)
    assert [window.start_s for window in moved] == pytest.approx([0.3, 1.275])
    assert [window.end_s for window in moved] == pytest.approx([0.45, 1.425])
    late = module._moved([SalientWindow(start_s=0.9, end_s=1.05, score=0.5)], slow, fast)
    assert late[0].start_s == pytest.approx(0.6)


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edits": ("echo",)}, "edit is 'echo'; expected some of f0-level"),
        ({"edits": ()}, "edit is not given; expected some of f0-level"),
        ({"n_clips": 9}, "n_clips is 9; expected 10 or more"),
        ({"n_test": 0}, "n_test is 0; expected 1 or more"),
        ({"n_probes": -1}, "n_probes is -1; expected 0 or more"),
        ({"emotions": ("anger",)}, r"voices: 0 speaker\(s\) with 5 clips or more of anger"),
    ],
)
def test_impossible_settings_are_refused(corpus, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        evaluate_planted_cues(corpus, folder=tmp_path, **settings)


def test_a_missing_vocoder_is_said_before_any_work(corpus, tmp_path, monkeypatch):
    def missing():
        raise MissingExtraError("the WORLD vocoder", "synth")

    monkeypatch.setattr(module, "load_world", missing)
    with pytest.raises(MissingExtraError, match="synth"):
        evaluate_planted_cues(corpus, folder=tmp_path, **TINY)
    assert not list(tmp_path.iterdir())


def test_speakers_are_drawn_with_as_many_clips(corpus):
    drawn = module._drawn(corpus, ["neutral"], n_clips=15, seed=1)
    speakers = [corpus.speaker_of(row) for row in drawn]
    assert sorted(speakers.count(name) for name in set(speakers)) == [5, 5, 5]
    assert drawn == module._drawn(corpus, ["neutral"], n_clips=15, seed=1)
    assert drawn != module._drawn(corpus, ["neutral"], n_clips=15, seed=2)


def test_mean_rank_says_over_how_many_clips_it_is():
    unknown = clip(False, speaker="b") | {"rank": float("nan")}
    (row,) = made([clip(True), unknown, clip(False, speaker="c")]).leaderboard().to_dict("records")
    assert (row["n_clips"], row["n_ranked"], row["rank"]) == (3, 2, 2.0)
