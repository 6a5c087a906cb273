from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cuelens import Audio, EmoLime, Explanation, FrequencyBands, InputError
from cuelens.testing import BandModel, noise

MODEL = BandModel(band_hz=(500.0, 3000.0))


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    audio = Audio(samples=noise(level=0.3), sample_rate=16_000, source="a <b>.wav")
    return EmoLime(samples=100).explain(MODEL, audio)


def test_json_round_trip(explanation):
    again = Explanation.from_json(explanation.to_json())
    assert again.to_json() == explanation.to_json()
    np.testing.assert_array_equal(again.weights, explanation.weights)
    np.testing.assert_array_equal(again.keep, explanation.keep)
    assert again.units == explanation.units
    assert again.clip == explanation.clip


def test_json_with_interactions_round_trips():
    audio = Audio(samples=noise(), sample_rate=16_000)
    found = EmoLime(interactions=True, units=FrequencyBands(n_bands=3)).explain(MODEL, audio)
    again = Explanation.from_json(found.to_json())
    np.testing.assert_array_equal(again.interactions, found.interactions)
    assert again.tried_all


def test_json_follows_the_contract(explanation):
    data = json.loads(explanation.to_json())
    assert data["clip"] == {
        "path": "a <b>.wav",
        "sha256": explanation.clip.sha256,
        "duration_s": 1.0,
        "sample_rate_hz": 16_000,
        "start_s": 0.0,
        "notes": [],
    }
    assert data["model"] == {"name": "one band", "labels": ["high", "low"]}
    assert data["output_value"] == data["prediction"][data["target"]]
    unit = data["units"][2]
    assert {"name", "low_hz", "high_hz", "start_s", "end_s", "weight"} <= set(unit)
    assert unit["ci_low"] <= unit["weight"] <= unit["ci_high"]
    assert data["all_targets"][data["target"]][2] == unit["weight"]
    assert data["method"]["seed"] == 42
    assert data["method"]["parameters"]["n_bands"] == 8
    assert data["method"]["versions"]["cuelens"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "expected the JSON that cuelens writes"),
        ("[]", "expected the JSON that cuelens writes"),
        ('{"schema_version": 99}', "schema version 99; expected 1"),
        ('{"schema_version": 1}', "incomplete or damaged"),
    ],
)
def test_what_is_no_explanation_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Explanation.from_json(text)


def test_frame_joins_with_feature_tables(explanation):
    frame = explanation.to_frame(all_labels=True)
    assert frame.index.names == ["file", "start", "end"]
    assert len(frame) == 2 * 8
    assert frame.index.get_level_values("end")[0] == pd.Timedelta(seconds=1)
    row = frame[(frame["label"] == "high") & (frame["low_hz"] == 0.0)].iloc[0]
    assert row["weight"] == explanation.weights[0, 0]


def test_frame_is_of_the_target_and_can_be_read_when_printed(explanation):
    frame = explanation.to_frame()
    np.testing.assert_array_equal(frame["weight"], explanation.target_weights)
    assert list(frame.index) == [unit.name for unit in explanation.units]
    columns = ["low_hz", "high_hz", "start_s", "end_s", "weight"]
    assert list(frame.columns) == [*columns, "ci_low", "ci_high"]
    frame = replace(explanation, ci_low=None, ci_high=None).to_frame()
    assert list(frame.columns) == columns
    lines = str(frame).splitlines()
    assert len(lines) == 2 + 8
    assert max(map(len, lines)) <= 80


def test_a_part_of_a_recording_keeps_its_place_in_it():
    audio = Audio(samples=noise(level=0.3), sample_rate=16_000, source="long.wav", start_s=12.5)
    frame = EmoLime(samples=64).explain(MODEL, audio).to_frame(all_labels=True)
    assert frame.index[0] == ("long.wav", pd.Timedelta(seconds=12.5), pd.Timedelta(seconds=13.5))


def test_parts_can_be_heard(explanation):
    keep = np.arange(8) < 4
    together = explanation.audio(keep).samples + explanation.audio(~keep).samples
    np.testing.assert_allclose(together, explanation.components.waveform, atol=1e-6)
    with pytest.raises(InputError, match="silent"):
        explanation.audio(np.zeros(8, bool))
    with pytest.raises(InputError, match="holds no sound"):
        Explanation.from_json(explanation.to_json()).audio(keep)


def test_arrays_are_read_only(explanation):
    with pytest.raises(ValueError, match="read-only"):
        explanation.weights[0, 0] = 1.0


def test_save_writes_json(explanation, tmp_path):
    file = explanation.save(tmp_path / "new" / "folder")
    assert Explanation.from_json(file.read_text(encoding="utf-8")).target == explanation.target


def test_plot_shows_every_unit_with_its_weight(explanation):
    axes = explanation.plot()
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, explanation.target_weights)
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        unit.name for unit in explanation.units
    ]


def test_a_notebook_shows_figure_account_and_weights(explanation):
    shown = explanation._repr_html_()
    assert explanation.account in shown
    cells = re.findall(r"<td>([^<]*)</td>", shown)
    order = np.argsort(-np.abs(explanation.target_weights), kind="stable")
    assert cells[::3] == [explanation.units[column].name for column in order]
    written = [float(cell.replace("−", "-")) for cell in cells[1::3]]
    np.testing.assert_allclose(written, explanation.target_weights[order], atol=5e-4)
    picture = base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", shown)[1])
    assert b"<svg" in picture
    assert explanation._repr_html_() == shown


def test_a_notebook_shows_markup_as_text(explanation):
    nasty = "<script>alert(1)</script>"
    units = (replace(explanation.units[0], name=nasty), *explanation.units[1:])
    labels = (nasty, *explanation.labels[1:])
    shown = replace(
        explanation, units=units, labels=labels, target=nasty, account=f"It says {nasty}."
    )._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4  # alt, account, summary, unit


def test_a_notebook_shows_the_largest_weights_of_many(explanation):
    many = EmoLime(units=FrequencyBands(n_bands=15), samples=200)
    found = many.explain(MODEL, Audio(samples=noise(level=0.3), sample_rate=16_000))
    shown = found._repr_html_()
    assert shown.count("<tr>") == 1 + 12
    assert "3 smaller ones are not shown" in shown
    assert shown.count(" to ") >= 12  # intervals


def test_a_notebook_shows_a_map_over_the_spectrogram():
    from cuelens.explain import Occlusion
    from cuelens.explain.explanation_html import svg_bytes
    from cuelens.explain.figures import plot_spectrogram
    from cuelens.models import load_model

    audio = Audio(samples=noise(level=0.3), sample_rate=16_000)
    found = Occlusion().explain(load_model("emodb-cnn"), audio)
    shown = found._repr_html_()
    picture = base64.b64decode(re.search(r"data:image/svg\+xml;base64,([^\"]+)", shown)[1])
    whole = found.audio(np.ones(len(found.units), dtype=bool))
    assert picture == svg_bytes(plot_spectrogram(whole, found))
    assert "Relevance for" in shown
    without_sound = Explanation.from_json(found.to_json())._repr_html_()
    assert "Relevance for" in without_sound  # its weights are drawn instead
