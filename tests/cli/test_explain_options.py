"""Options of ``cuelens explain`` change something, or are refused in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cuelens import Audio, EmoLime
from cuelens.cli.console import out
from cuelens.cli.explain import explain
from cuelens.cli.explain_clip import precision_hint, print_explanation, with_budget
from cuelens.cli.explain_options import SETTINGS, explainers, own_settings, takes
from cuelens.cli.main import app
from cuelens.cues import CUES, clips_baseline, cue_report
from cuelens.errors import CuelensError, InputError
from cuelens.report import ClipReport
from cuelens.testing import BandModel, noise, speech_like
from cuelens.units import FrequencyBands, Segments, TimeWindows, UnitProduct

MODEL = BandModel(band_hz=(500.0, 3000.0))


def run(*arguments):
    result = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    if isinstance(result.exception, CuelensError):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    file = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(file, speech_like(duration_s=0.5), 16_000)
    return file


EMOLIME_ONLY = {
    "--units": "windows",
    "--bands": "8",
    "--scale": "mel",
    "--samples": "1024",
    "--estimator": "shapley",
    "--variant": "lossless",
    "--output": "probability",
    "--precision": "0.1",
    "--interactions": None,
}


@pytest.mark.parametrize("option", EMOLIME_ONLY)
def test_options_of_emolime_are_refused_by_others_even_at_their_defaults(clip, option):
    value = EMOLIME_ONLY[option]
    given = (option,) if value is None else (option, value)
    for name in ("lrp", "occlusion", "grad-cam", "integrated-gradients", "crp"):
        with pytest.raises(CuelensError, match=f"^{option} is for emolime; {name} does not take"):
            run(clip, "--explainer", name, *given)


@pytest.mark.parametrize("name", ["emolime", "lrp", "occlusion", "integrated-gradients"])
def test_layers_are_refused_where_there_are_none(clip, name):
    with pytest.raises(CuelensError, match=r"^--layer is for grad-cam and crp; .*grad-cam or crp$"):
        run(clip, "--explainer", name, "--layer", "conv1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--units", "windows", "--bands", "4"), "^--bands is for --units bands, cells"),
        (("--units", "harmonics", "--scale", "mel"), "^--scale is for --units bands, cells"),
        (("--no-cues", "--window", "0.2"), "^--window is for cues, and for --units windows"),
        (("--no-cues", "--baseline", "x.wav"), "^--baseline is for cues, and --no-cues"),
        (("--no-cues", "--corpus", "emodb"), "^--corpus is for cues, which --no-cues leaves"),
        (("--variant", "published", "--estimator", "lime"), "^--estimator is for --variant loss"),
    ],
)
def test_options_that_change_nothing_are_refused(clip, given, message):
    with pytest.raises(CuelensError, match=message):
        run(clip, *given)


def test_options_that_change_something_pass(clip):
    result = run(
        *(clip, "--no-cues", "--json", "--units", "cells", "--window", "0.25"),
        *("--bands", "2", "--scale", "linear"),
    )
    data = json.loads(result.stdout)
    assert [unit["name"] for unit in data["units"]][:2] == [
        "0–4000 Hz, 0.00–0.25 s",
        "0–4000 Hz, 0.25–0.50 s",
    ]


def test_an_explainer_declares_what_it_takes_by_its_settings(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Sampler:
        window_s: float = 0.15
        samples: int = 10
        layer: str | None = None

    monkeypatch.setattr(
        "cuelens.cli.explain_options.explainers", lambda: {**explainers(), "sampler": Sampler}
    )
    found = own_settings("sampler", {"samples": 20, "layer": "x", "clips": [], "seed": 1})
    assert found == {"samples": 20, "layer": "x"}
    with pytest.raises(InputError, match="--precision is for emolime; sampler does not take it"):
        own_settings("sampler", {"precision": 0.1})
    with pytest.raises(InputError, match="--samples is for emolime and sampler; lrp does not"):
        own_settings("lrp", {"samples": 20})


def test_the_table_holds_every_setting_that_has_an_option():
    parameters = set(explain.__annotations__)
    assert set(SETTINGS) <= parameters
    assert all(takes(explainers()["emolime"], option) for option in SETTINGS if option != "layer")
    for name, kind in explainers().items():
        missed = {field.name for field in fields(kind)} & parameters - set(SETTINGS)
        assert missed <= {"seed", "window_s"}, name  # these matter to cues, too


def test_one_label_file_for_two_clips_is_refused_before_any_work(clip, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, speech_like(duration_s=0.5, seed=1), 16_000)
    labels = tmp_path / "words.csv"
    labels.write_text("start,end,label\n0.05,0.3,ja\n")
    with pytest.raises(CuelensError, match=r"words.csv: labels of one recording, and 2 clips"):
        run(clip, other, "--units", f"words:{labels}")
    labels.write_text("file,start,end,label\nclip.wav,0.05,0.3,ja\nother.wav,0.1,0.4,so\n")
    result = run(clip, other, "--no-cues", "--json", "--units", f"words:{labels}")
    names = [
        [unit["name"] for unit in json.loads(line)["units"]] for line in result.stdout.splitlines()
    ]
    assert names == [["(pause)", "ja", "(pause)"], ["(pause)", "so", "(pause)"]]


@pytest.mark.parametrize(("n_units", "samples"), [(8, None), (64, None), (65, 1026), (288, 4594)])
def test_many_units_get_a_budget_of_eight_pairs_of_orders(n_units, samples):
    assert with_budget(EmoLime(), n_units).samples == samples
    assert with_budget(EmoLime(samples=500), n_units).samples == 500
    assert with_budget(EmoLime(variant="published"), n_units).samples is None


def test_wide_intervals_come_with_a_way_to_narrow_them():
    audio = Audio(samples=noise(), sample_rate=16_000)
    units = FrequencyBands(n_bands=16)
    found = EmoLime(units=units, samples=100).explain(MODEL, audio)
    reach = (found.ci_high - found.ci_low)[found.target_index].max() / 2
    hint = precision_hint(found)
    assert f"reach up to {reach:.2g} to either side" in hint
    assert "--samples 400, four times the work" in hint
    again = EmoLime(units=units, samples=400).explain(MODEL, audio)
    assert (again.ci_high - again.ci_low)[found.target_index].max() / 2 < 0.7 * reach
    assert precision_hint(EmoLime().explain(MODEL, audio)) == ""  # exact
    asked = EmoLime(units=units, samples=4000, precision=2 * float(reach))
    assert precision_hint(asked.explain(MODEL, audio)) == ""  # as narrow as asked for


@pytest.mark.parametrize("width", [70, 80, 100, 140])
def test_numbers_of_cells_are_never_cut(capsys, monkeypatch, width):
    words = Segments(labels=[(0.1, 0.45, "Fernsehprogramm"), (0.5, 0.9, "am")], kind="words")
    units = UnitProduct(times=words, parts=FrequencyBands(n_bands=3))
    audio = Audio(samples=noise(), sample_rate=16_000)
    found = EmoLime(units=units, samples=200).explain(MODEL, audio)
    monkeypatch.setattr(out, "width", width)
    with out.capture() as shown:
        print_explanation(ClipReport(explanation=found, audio=audio))
    text = shown.get()
    row = found.target_index
    for weight, low, high in zip(
        found.target_weights, found.ci_low[row], found.ci_high[row], strict=True
    ):
        assert f"{weight:+.3f}  {low:+.3f} to {high:+.3f}" in text
    assert "…" not in text


def test_the_cue_table_fits_eighty_columns(monkeypatch):
    def voice(seed):
        samples = speech_like(duration_s=1.0, f0_hz=110.0 + 15 * seed, seed=seed)
        return Audio(samples=samples, sample_rate=16_000)

    audio = voice(0)
    found = EmoLime(units=TimeWindows(), samples=64).explain(MODEL, audio)
    neutral = clips_baseline([voice(seed) for seed in range(1, 6)], window_s=0.15, description="5")
    cues = cue_report(found, audio, baseline=neutral)
    monkeypatch.setattr(out, "width", 80)
    with out.capture() as shown:
        print_explanation(ClipReport(explanation=found, audio=audio, cues=cues))
    lines = shown.get().splitlines()
    assert "…" not in shown.get()
    (head,) = (line for line in lines if "literature" in line and "whole clip" in line)
    for row in cues.rows:
        if np.isfinite(row.effect.low):
            title = CUES[row.cue].title.partition(" (")[0]
            (line,) = (one for one in lines if one.strip().startswith(f"{title}  "))
            assert f"{row.effect.low:+.1f} to {row.effect.high:+.1f}" in line
            if row.expectation is not None:
                assert line[head.index("literature") :].startswith(row.expectation.direction)
