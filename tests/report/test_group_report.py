from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile

from cuelens import EmoLime, FrequencyBands
from cuelens.corpora import Corpus
from cuelens.evaluate import explain_group
from cuelens.report.group_report import GroupDifference, corpus_sounds, write_group_report
from cuelens.testing import BandModel, tone

NASTY = "<script>alert(1)<"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    folder = tmp_path_factory.mktemp("tones")
    rows = []
    for speaker in ("a", "b", "c", NASTY):
        for emotion, hz in (("anger", 1500.0), ("sadness", 400.0), ("anger", 900.0)):
            file = folder / f"<i>{len(rows)}.wav"
            level = 0.2 + 0.01 * len(rows)
            soundfile.write(file, tone(hz, duration_s=0.4, level=level), 16_000)
            rows.append([str(file), 0.0, np.nan, speaker, emotion, "1"])
    names = ["file", "start", "end", "speaker", "emotion", "sentence"]
    return Corpus(name="<b>tones", licence="none", table=pd.DataFrame(rows, columns=names))


@pytest.fixture(scope="module")
def written(corpus, tmp_path_factory):
    model = BandModel(band_hz=(1000.0, 2000.0), labels=("anger", "sadness"), reference=0.05)
    explainer = EmoLime(units=FrequencyBands(n_bands=3))
    found = explain_group(corpus, model, explainer, n_clips=None, target="anger", n_workers=1)
    folder = tmp_path_factory.mktemp("group")
    found.save(folder)
    difference = GroupDifference(
        first="anger", second="sadness", table=found.difference("anger", "sadness")
    )
    write_group_report(
        folder / "report.html",
        found,
        sounds=corpus_sounds([corpus]),
        difference=difference,
        cue_differences=[found.cue_difference("anger", "sadness")],
    )
    return found, folder, difference


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def test_page_holds_what_the_json_and_the_table_hold(written):
    _, folder, difference = written
    page = (folder / "report.html").read_text("utf-8")
    data = json.loads((folder / "group.json").read_text("utf-8"))
    assert list(data["views"]) == ["emotion", "speaker", "correct"]
    assert data["views"]["emotion"]["means"] == data["means"]
    table = pd.read_csv(folder / "group.csv")
    np.testing.assert_allclose(table["mean"], [row["mean"] for row in data["means"]])
    for view in data["views"].values():
        for row in view["means"]:
            assert signed(row["mean"]) in page
            if row["low"] is not None:
                assert f"[{signed(row['low'])}, {signed(row['high'])}]" in page
    for value in difference.table["difference"]:
        assert signed(value) in page
    section = page.partition('id="h-cues"')[2].partition("</section>")[0]
    compared = written[0].cue_difference("anger", "sadness")
    assert compared.account in section
    known = compared.table[compared.table["low"].notna()]
    assert len(known) > 3
    for row in known.to_dict("records"):
        assert f"[{signed(row['low'])}, {signed(row['high'])}]" in section
    null = ~compared.table["differs"] & compared.table["low"].notna()
    assert section.count("<small>includes 0</small>") == null.sum()


def test_answers_and_typical_clips_are_those_of_the_table(written, corpus):
    _, folder, _ = written
    clips = pd.read_csv(folder / "clips.csv")
    data = json.loads((folder / "group.json").read_text("utf-8"))
    page = (folder / "report.html").read_text("utf-8")
    weights = clips.pivot_table(index=["emotion", "clip"], columns="place", values="weight")
    for row in data["views"]["emotion"]["typical"]:
        own = weights.loc[row["group"]]
        distance = np.linalg.norm(own.to_numpy() - own.to_numpy().mean(axis=0), axis=1)
        assert row["clip"] == own.index[distance.argmin()]
        assert row["distance"] == pytest.approx(distance.min())
        samples, _ = soundfile.read(row["clip"])
        urls = re.findall(r'src="data:audio/flac;base64,([^"]+)"', page)
        played = [soundfile.read(io.BytesIO(base64.b64decode(url)))[0] for url in urls]
        assert any(np.allclose(sound, samples, atol=1e-4) for sound in played)
    one = clips.drop_duplicates("clip")
    for emotion, answers in data["answers"].items():
        for answer, n in answers.items():
            assert n == ((one["emotion"] == emotion) & (one["answer"] == answer)).sum()
    cells = re.findall(r'<td style="--share:[\d.]+"(?: class="right")?>(\d+)</td>', page)
    assert sum(map(int, cells)) == len(corpus)


def test_everything_is_escaped_and_nothing_is_fetched(written):
    page = (written[1] / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>tones" not in page
    assert "<i>" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
