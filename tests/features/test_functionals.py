from __future__ import annotations

import numpy as np
import opensmile
import pytest

from cuelens.errors import InputError
from cuelens.features import Functionals
from cuelens.testing import noise, speech_like


@pytest.mark.parametrize(
    ("feature_set", "name", "n"), [("eGeMAPSv02", "eGeMAPS", 88), ("ComParE_2016", "ComParE", 6373)]
)
def test_the_vector_is_what_opensmile_gives(feature_set, name, n):
    clips = [speech_like(), 0.1 * noise()]
    smile = opensmile.Smile(getattr(opensmile.FeatureSet, feature_set))
    embedding = Functionals(feature_set=feature_set)
    found = embedding.embed_layers(clips)
    assert embedding.name == name
    assert embedding.dimensions == tuple(smile.feature_names)
    assert found.shape == (2, 1, n)
    for row, clip in zip(found, clips, strict=True):
        expected = smile.process_signal(clip, 16_000).to_numpy()[0]
        np.testing.assert_allclose(row[0], expected, rtol=1e-6)


def test_an_unknown_feature_set_is_refused():
    with pytest.raises(InputError, match="expected one of eGeMAPSv02"):
        Functionals(feature_set="gemaps")


def test_recipe_names_the_feature_set():
    assert "ComParE_2016" in Functionals(feature_set="ComParE_2016").recipe
