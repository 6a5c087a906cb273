from __future__ import annotations

import subprocess
import sys

import pytest

from cuelens.errors import InputError
from cuelens.features import EMBEDDINGS, ByolS, DVectors, Functionals, load_embedding
from cuelens.features.hugging_face import HuggingFaceEncoder


def test_every_name_gives_its_embedding():
    assert load_embedding("egemaps") == Functionals(feature_set="eGeMAPSv02")
    assert load_embedding("ComParE") == Functionals(feature_set="ComParE_2016")
    assert load_embedding("byols") == ByolS()
    assert load_embedding("byols:C:/my weights.pth") == ByolS(weights="C:/my weights.pth")
    assert load_embedding("dvectors") == DVectors()
    assert load_embedding("hf:Org/Name") == HuggingFaceEncoder(checkpoint="Org/Name")


@pytest.mark.parametrize("spec", ["", "wavlm", "hf:", "hf", "byols:", "egemaps:x", "dvectors:x"])
def test_what_is_unknown_is_refused_with_all_that_is_known(spec):
    with pytest.raises(InputError, match="unknown embedding") as caught:
        load_embedding(spec)
    for entry in EMBEDDINGS:
        assert entry.spec in str(caught.value)
    for other in ("byols:FILE", "hf:FOLDER", "FILE.npy", ".parquet", ".csv"):
        assert other in str(caught.value)


def test_sizes_in_the_catalogue_are_true():
    size = {entry.spec: entry.size for entry in EMBEDDINGS}
    for spec in ("egemaps", "compare", "byols", "dvectors"):
        assert size[spec] == str(len(load_embedding(spec).dimensions))


def test_the_room_is_light():
    code = (
        "import sys, cuelens.features\n"
        "heavy = {'torch', 'transformers', 'resemblyzer', 'librosa', 'opensmile'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
