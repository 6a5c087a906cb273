"""Every kind of file that cuelens reads: a small valid one, and what reads it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import skops.io
import soundfile
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from cuelens.audio import Audio, load_audio
from cuelens.corpora import Corpus, load_corpus
from cuelens.corpora.download import unzip
from cuelens.corpora.long_recording import LongRecording
from cuelens.cues.profile import CorpusProfile
from cuelens.explain import EmoLime, Explanation
from cuelens.features.embedding_table import read_embedding_table
from cuelens.journal_file import read_journal
from cuelens.models import load_model
from cuelens.models.load import bundled_folder
from cuelens.models.skops_file import skops_estimator
from cuelens.probe import ProbeProfile
from cuelens.testing import BandModel, speech_like
from cuelens.units import FrequencyBands, read_labels, read_tiers

RATE = 16_000


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of file.

    ``file``: its place in a folder of its own; ``content``: a valid one; ``read``: reads it there;
    ``named``: whether an error can name it (text that was read elsewhere has no name).
    """

    name: str
    file: str
    content: bytes
    read: Callable[[Path], object]
    named: bool = True


def kinds(folder: Path) -> list[Kind]:
    """All of them; what lies beside a file is written into a folder of its own."""
    made = [*_sounds(), *_labels(), *_tables(folder), *_models(folder), *_results(folder)]
    for kind in made:
        (folder / kind.name).mkdir(exist_ok=True)
    return made


def _samples(n_channels: int = 1, duration_s: float = 0.3) -> np.ndarray:
    time_s = np.arange(int(duration_s * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 220 * time_s)
    return np.stack([tone] * n_channels, axis=1).astype(np.float32)


def _encoded(form: str, subtype: str, n_channels: int = 1) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, _samples(n_channels), RATE, format=form, subtype=subtype)
    return content.getvalue()


def _sounds() -> list[Kind]:
    def whole(path: Path) -> object:
        return load_audio(path)

    def in_pieces(path: Path) -> object:
        recording = LongRecording.open(path)
        return sum(len(block) for block in recording.blocks(RATE))

    forms = (
        *(("WAV", "PCM_16", 1), ("WAV", "FLOAT", 2), ("WAV", "IMA_ADPCM", 1), ("W64", "PCM_24", 1)),
        *(("FLAC", "PCM_16", 1), ("OGG", "VORBIS", 2), ("OGG", "OPUS", 1), ("AIFF", "PCM_16", 1)),
        *(("MP3", "MPEG_LAYER_III", 1), ("CAF", "ALAC_16", 1), ("AU", "ULAW", 1)),
    )
    found = []
    for form, subtype, n_channels in forms:
        content = _encoded(form, subtype, n_channels)
        for how, read in (("whole", whole), ("pieces", in_pieces)):
            name = f"{form}-{subtype}-{how}".lower()
            found.append(Kind(name=name, file=f"a.{form.lower()}", content=content, read=read))
    return found


TEXTGRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1\n'
    "tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n"
    '        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n'
    "        xmax = 1\n        intervals: size = 2\n        intervals [1]:\n"
    '            xmin = 0\n            xmax = 0.5\n            text = "guten"\n'
    "        intervals [2]:\n            xmin = 0.5\n            xmax = 1\n"
    '            text = "Tag"\n'
)
EAF = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT>\n'
    '<HEADER TIME_UNITS="milliseconds"/><TIME_ORDER>\n'
    '<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="t2"/>\n'
    '<TIME_SLOT TIME_SLOT_ID="t3" TIME_VALUE="900"/></TIME_ORDER>\n<TIER TIER_ID="words">\n'
    '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">'
    "<ANNOTATION_VALUE>guten</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
    '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="b" TIME_SLOT_REF1="t2" TIME_SLOT_REF2="t3">'
    "<ANNOTATION_VALUE>Tag</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n</TIER>\n"
    '<TIER TIER_ID="gloss" PARENT_REF="words"><ANNOTATION>'
    '<REF_ANNOTATION ANNOTATION_ID="c" ANNOTATION_REF="b">'
    "<ANNOTATION_VALUE>day</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>\n"
    "</ANNOTATION_DOCUMENT>\n"
)


def _labels() -> list[Kind]:
    def read(path: Path) -> object:
        return read_tiers(path)

    def emodb(path: Path) -> object:
        from cuelens.units.emodb_labels import read_emodb_labels

        return read_emodb_labels(path, kind="segments")

    texts = {
        "textgrid": ("a.TextGrid", TEXTGRID, read),
        "textgrid-16": ("a.TextGrid", TEXTGRID, lambda path: read_labels(path, kind="words")),
        "eaf": ("a.eaf", EAF, read),
        "ctm": ("a.ctm", "a 1 0.0 0.5 guten 0.9\na 1 0.5 0.4 Tag 1\n;; end\n", read),
        "label-csv": ("a.csv", "start,end,label,tier\n0,0.5,guten,words\n0.5,1,Tag,words\n", read),
        "label-tsv": ("a.tsv", 'file\tstart\tend\tlabel\na\t0\t0.5\t"gu,ten"\n', read),
        "lablaut": (
            "a.lablaut",
            "signal a\ntype 0\ncolor 121\nfont -misc\nseparator ;\nnfields 1\n#\n"
            "    0.07  -1 d\n    0.14  -1 E\n    0.3   -1 l\n    0.4   -1 .\n",
            emodb,
        ),
    }
    return [
        Kind(
            name=name,
            file=file,
            content=text.encode("utf-16" if name.endswith("-16") else "utf-8"),
            read=reader,
        )
        for name, (file, text, reader) in texts.items()
    ]


def _tables(folder: Path) -> list[Kind]:
    clips = pd.DataFrame(
        {"file": ["a.wav", "b.wav"], "emotion": ["anger", "neutral"], "speaker": ["03", "08"]}
    )
    clips["start"], clips["end"] = 0.0, [0.2, 0.3]
    vectors = clips[["file"]].assign(**{f"x{i}": np.arange(2.0) + i for i in range(8)})
    beside = folder / "corpus"
    beside.mkdir()
    for name in clips["file"]:
        soundfile.write(beside / name, _samples()[:, 0], RATE)
    corpus = Corpus(
        name="two",
        licence="none",
        table=clips.assign(file=[str(beside / name) for name in clips["file"]], sentence=None)[
            ["file", "start", "end", "speaker", "emotion", "sentence"]
        ],
    )

    def table(path: Path) -> object:
        for name in clips["file"]:
            if not (path.parent / name).exists():
                shutil.copy(beside / name, path.parent)
        return load_corpus(path)

    def embedding(path: Path) -> object:
        path.with_suffix(".txt").write_text("a.wav\nb.wav\n", encoding="utf-8")
        return read_embedding_table(path, corpus)

    def parquet(frame: pd.DataFrame) -> bytes:
        return frame.to_parquet(None, index=False)

    array = io.BytesIO()
    np.save(array, vectors.drop(columns="file").to_numpy(dtype=np.float32))
    tsv = clips.to_csv(index=False, sep="\t", quoting=csv.QUOTE_ALL)
    return [
        Kind(
            name="corpus-csv", file="a.csv", content=clips.to_csv(index=False).encode(), read=table
        ),
        Kind(name="corpus-tsv", file="a.tsv", content=tsv.encode(), read=table),
        Kind(name="corpus-parquet", file="a.parquet", content=parquet(clips), read=table),
        Kind(name="vectors-npy", file="v.npy", content=array.getvalue(), read=embedding),
        Kind(name="vectors-parquet", file="v.parquet", content=parquet(vectors), read=embedding),
        Kind(
            name="vectors-csv",
            file="v.csv",
            content=vectors.to_csv(index=False).encode(),
            read=embedding,
        ),
        _audformat(folder, beside),
        _zip(folder),
    ]


def _audformat(folder: Path, beside: Path) -> Kind:
    place = folder / "audformat"
    place.mkdir()
    database = audformat.Database("two")
    database.schemes["emotion"] = audformat.Scheme(labels=["anger", "neutral"])
    database["t"] = audformat.Table(audformat.filewise_index(["a.wav", "b.wav"]))
    database["t"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["t"]["emotion"].set(["anger", "neutral"])
    database.save(str(place))
    for name in ("a.wav", "b.wav"):
        shutil.copy(beside / name, place)
    return Kind(
        name="audformat",
        file="db.yaml",
        content=(place / "db.yaml").read_bytes(),
        read=lambda path: load_corpus(path.parent, layout="audformat"),
        named=False,  # some errors are of the folder
    )


def _zip(folder: Path) -> Kind:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("corpus/a.wav", _encoded("WAV", "PCM_16"))
        archive.writestr("corpus/labels.csv", "file,emotion\na.wav,anger\n")

    def read(path: Path) -> object:
        try:
            unzip(path, path.parent / "unpacked")
        finally:
            outside = {entry.name for entry in folder.parent.iterdir()} - {folder.name}
            if outside:
                raise AssertionError(f"written outside: {outside}")
            shutil.rmtree(path.parent / "unpacked", ignore_errors=True)
        return None

    return Kind(name="zip", file="a.zip", content=content.getvalue(), read=read)


def _network() -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("Abs", ["signal"], ["a"]),
            helper.make_node("ReduceMean", ["a", "last"], ["mean"], keepdims=1),
            helper.make_node("MatMul", ["mean", "w"], ["p"]),
            helper.make_node("Softmax", ["p"], ["out"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["n", "time"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(np.ones((1, 2), np.float32), "w"),
            numpy_helper.from_array(np.array([1]), "last"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return made.SerializeToString()


def _models(folder: Path) -> list[Kind]:
    network = _network()
    waveforms = [np.full(1600, 0.1, np.float32)]

    def answered(spec: str) -> object:
        return load_model(spec).predict_proba(waveforms)

    def beside(path: Path, name: str, content: bytes) -> None:
        if not (path.parent / name).exists():
            (path.parent / name).write_bytes(content)

    def sidecar(path: Path) -> object:
        beside(path, "m.onnx", network)
        return answered(f"onnx:{path.parent / 'm.onnx'}")

    def described(path: Path) -> object:
        beside(path, "model.onnx", network)
        return answered(f"onnx:{path.parent}")

    def folder_of(path: Path) -> object:
        beside(path, "model.onnx", network)
        return load_model(path.parent)

    description = json.loads((bundled_folder("emodb-cnn") / "model.json").read_text("utf-8"))
    description["labels"] = ["anger", "neutral"]
    description["files"] = {"model.onnx": sha256(network).hexdigest()}
    description = {
        key: description[key]
        for key in ("schema_version", "kind", "name", "labels", "front_end", "files")
    }
    fitted = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    yaml = (
        "$audonnx.core.model.Model==0.7.0:\n  path: model.onnx\n  labels:\n    out:\n"
        "    - anger\n    - neutral\n  transform: null\n"
    )
    settings = {"labels": ["anger", "neutral"], "sample_rate": RATE, "output": "probability"}
    return [
        Kind(
            name="onnx",
            file="m.onnx",
            content=network,
            read=lambda path: answered(f"onnx:{path}?labels=anger,neutral"),
            named=False,  # models are named without their folder
        ),
        Kind(
            name="sidecar",
            file="m.onnx.json",
            content=json.dumps(settings, indent=1).encode(),
            read=sidecar,
            named=False,
        ),
        Kind(name="audonnx", file="model.yaml", content=yaml.encode(), read=described, named=False),
        Kind(
            name="model-json",
            file="model.json",
            content=json.dumps(description, indent=1).encode(),
            read=folder_of,
            named=False,
        ),
        Kind(
            name="skops",
            file="m.skops",
            content=skops.io.dumps(fitted),
            read=lambda path: skops_estimator(path.read_bytes(), where=str(path)),
        ),
    ]


def _results(folder: Path) -> list[Kind]:
    clip = Audio(samples=speech_like(duration_s=0.3), sample_rate=RATE)
    listens = BandModel(band_hz=(0, 500))
    explanation = EmoLime(units=FrequencyBands(n_bands=3)).explain(listens, clip)
    wanted = {"settings": {"seed": 0}}

    def journal(path: Path) -> object:
        return read_journal(path, wanted)

    lines = [wanted, {"key": "a", "result": {"x": 1.5}}, {"key": "b", "result": [1, 2]}]
    profile = (bundled_folder("emodb-cnn") / "probe.json").read_bytes()
    corpus_profile = {
        "corpus": "x",
        "cells": [
            {"emotion": "anger", "cue": "f0_level", "difference": 1.0, "low": 0.5, "high": 1.5}
            | {"n_speakers": 4, "n_up": 4}
        ],
    }

    def text_of(read: Callable[[str], object]) -> Callable[[Path], object]:
        return lambda path: read(path.read_text(encoding="utf-8", errors="replace"))

    return [
        Kind(
            name="explanation",
            file="explanation.json",
            content=explanation.to_json().encode(),
            read=text_of(Explanation.from_json),
            named=False,
        ),
        Kind(
            name="corpus-profile",
            file="profile.json",
            content=json.dumps(corpus_profile).encode(),
            read=text_of(CorpusProfile.from_json),
            named=False,
        ),
        Kind(
            name="probe-json",
            file="probe.json",
            content=profile,
            read=lambda path: ProbeProfile.load(path.parent),
        ),
        Kind(
            name="journal",
            file="journal.jsonl",
            content="".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode(),
            read=journal,
        ),
    ]
