from collections import Counter

import pytest

from cuelens.corpora import demo_corpus
from cuelens.errors import InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.explainers import EXPLAINERS, applies, explainer_named, looks_inside
from cuelens.models import load_model
from cuelens.testing import ConstantModel


def test_emotions_and_speakers_come_equally_often():
    corpus = demo_corpus()
    assert balanced_rows(corpus, None) == list(range(10))
    rows = balanced_rows(corpus, 5, seed=3)
    table = corpus.table.iloc[rows]
    assert set(Counter(table["emotion"]).values()) == {1}
    assert rows == balanced_rows(corpus, 5, seed=3)
    assert len({tuple(balanced_rows(corpus, 5, seed=seed)) for seed in range(10)}) > 3


def test_explainers_by_name():
    for name in EXPLAINERS:
        assert callable(explainer_named(name).explain)
    assert explainer_named("shapley", seed=5).seed == 5
    assert not applies(explainer_named("lrp"), ConstantModel())
    assert applies(explainer_named("lrp"), load_model("emodb-cnn"))
    assert not looks_inside(explainer_named("lime"))
    assert explainer_named("python:cuelens.explain:EmoLime").estimator == "shapley"
    with pytest.raises(InputError, match="expected one of shapley, lime"):
        explainer_named("magic")
    with pytest.raises(InputError, match="without a method explain"):
        explainer_named("python:cuelens.testing:ConstantModel")
    with pytest.raises(InputError, match="cannot import cuelens"):
        explainer_named("python:cuelens.nowhere:Thing")
    with pytest.raises(InputError, match="cannot be made"):
        explainer_named("python:cuelens.testing:BandModel")
