from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import soundfile
import typer
from tests.figure_checks import check_figure
from typer.testing import CliRunner

from cuelens import EmoLime, FrequencyBands, InputError
from cuelens.cli.evaluate_sanity import sanity
from cuelens.corpora import Corpus, demo_corpus
from cuelens.evaluate import sanity as module
from cuelens.evaluate.binning import weights_by_place
from cuelens.evaluate.explainers import explainer_named
from cuelens.evaluate.randomised_models import (
    OneOther,
    Randomised,
    layers,
    randomised,
    redraw,
    shuffled_labels_model,
)
from cuelens.evaluate.sanity import compare_models, evaluate_sanity, same_clip_p
from cuelens.models import load_model
from cuelens.testing import ConstantModel, LinearEnergyModel, speech_like

torch = pytest.importorskip("torch")
from scripts import quantus_randomisation as quantus  # noqa: E402
from torch import nn  # noqa: E402

from cuelens.models.resnet_small import ResNetSmall  # noqa: E402

RATE = 16_000
BANDS = FrequencyBands(n_bands=4, scale="linear")
EDGES = tuple(BANDS.edges_hz(RATE))
ONE = LinearEnergyModel(edges_hz=EDGES, factors=np.array([[4.0, 3, 2, 1], [-4, -3, -2, -1]]))


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Six voices with different spectra."""
    folder = tmp_path_factory.mktemp("voices")
    rows = []
    for k in range(6):
        sound = speech_like(duration_s=0.6, f0_hz=100 + 25 * k, tilt_db_per_octave=-2.0 * k, seed=k)
        soundfile.write(folder / f"{k}.flac", sound, RATE, subtype="PCM_24")
        rows.append((str(folder / f"{k}.flac"), ("anger", "neutral")[k % 2], f"s{k}"))
    table = pd.DataFrame(rows, columns=["file", "emotion", "speaker"])
    table = table.assign(start=0.0, end=float("nan"), sentence=None)
    return Corpus(name="made up", licence="none", table=table)


@pytest.fixture
def network():
    return quantus.trained()


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small only wait for threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def state_of(module_):
    return {name: value.clone() for name, value in module_.state_dict().items()}


def changed(one, other):
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


# ---------------------------------------------------------------- weights drawn again


def test_layers_from_the_top_down():
    names = layers(ResNetSmall(3))
    assert names[0] == "fc"
    assert names[-1] == "conv1"
    assert len(names) == 13
    assert "pool" not in names
    assert layers(nn.Linear(2, 2)) == ("",)
    assert layers(nn.ReLU()) == ()


def test_drawn_again_layer_by_layer(network):
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    with torch.no_grad():
        for name, buffer in network.module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(generator=torch.Generator().manual_seed(1))
        for name, weights in network.module.named_parameters():
            if "bn" in name:  # else a reset batch norm is what it was
                weights.add_(0.3)
    original = state_of(network.module)
    before = torch.random.get_rng_state()
    drawn: set[str] = set()
    for layer, copy in randomised(network, seed=(5, 1)):
        now = changed(original, copy.module.state_dict())
        own = {name for name in original if name.rpartition(".")[0] == layer}
        own = {name for name in own if name.rpartition(".")[2] not in statistics}
        drawn |= own
        assert now == drawn, layer
        assert not copy.module.training
        assert copy.front_end is network.front_end
    learned = {name for name in original if name.rpartition(".")[2] not in statistics}
    assert drawn == learned
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not changed(original, network.module.state_dict())  # bit for bit


def test_one_layer_alone_and_seeds(network):
    original = network.module.state_dict()
    for layer, copy in randomised(network, order="independent"):
        owners = {name.rpartition(".")[0] for name in changed(original, copy.module.state_dict())}
        assert owners <= {layer}
    one, same, other = (
        [copy.module.state_dict() for _, copy in randomised(network, seed=seed)]
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    for a, b in zip(one, same, strict=True):
        assert not changed(a, b)
    assert "fc.weight" in changed(one[0], other[0])
    shapes = [value for name, value in one[-1].items() if name.endswith("conv2.weight")]
    assert not torch.equal(shapes[0][:4, :4], shapes[1][:4, :4])  # each layer its own seed


def test_permuted_weights_are_the_same_numbers(network):
    original = network.module.state_dict()
    *_, (_, copy) = randomised(network, how="permute")
    for name, value in copy.module.named_parameters():
        before = original[name].flatten().sort().values
        assert torch.equal(value.detach().flatten().sort().values, before)
    assert not torch.equal(copy.module.conv1.weight, original["conv1.weight"])


class Scaled(nn.Module):
    """Weights of its own that nothing can reset."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.arange(9.0))
        self.fc = nn.Linear(9, 3)

    def forward(self, x):
        return self.fc(self.gain * x.mean(dim=(1, 2, 3))[:, None])


def test_what_cannot_be_drawn_again(network, voices):
    module_ = Scaled()
    with pytest.raises(InputError, match="layer Scaled has weights and no reset_parameters"):
        redraw(module_, "", seed=0)
    redraw(module_, "", seed=0, how="permute")
    assert sorted(module_.gain.tolist()) == list(range(9))
    explainers = {"lrp": explainer_named("lrp")}
    with pytest.raises(InputError, match='take how="permute"'):
        evaluate_sanity(voices, replace(network, module=Scaled()), explainers)
    with pytest.raises(InputError, match="has no weights"):
        evaluate_sanity(voices, replace(network, module=nn.Flatten()), explainers)
    with pytest.raises(InputError, match="give a model trained on shuffled labels"):
        evaluate_sanity(voices, ONE, {"shapley": EmoLime()})
    with pytest.raises(InputError, match="'sideways'; expected one of cascade, independent"):
        evaluate_sanity(voices, network, explainers, order="sideways")


# ---------------------------------------------------------------- verdicts


@lru_cache
def template(audio):
    """An explanation with 40 units and three labels."""
    model = ConstantModel(labels=quantus.LABELS, probabilities=(1.0, 1.0, 1.0))
    return EmoLime(units=FrequencyBands(n_bands=40), samples=160).explain(model, audio)


@dataclass(frozen=True)
class Stub:
    """Weights made up from the clip, from the model's weights, or from both."""

    of_clip: float
    of_model: float

    def explain(self, model, audio, *, target=None):
        found = replace(template(audio), target=target or "a")
        mark = sum(float(w.detach().double().sum()) for w in model.module.parameters())
        clip = np.random.default_rng(int(audio.sha256[:8], 16)).normal(size=(3, 40))
        own = np.random.default_rng(abs(int(mark * 1e6))).normal(size=(3, 40))
        weights = self.of_clip * clip + self.of_model * own
        return replace(found, weights=weights)


def test_verdicts_on_explainers_known_in_closed_form(network, voices):
    explainers = {
        "edges": Stub(of_clip=1.0, of_model=0.0),
        "learned": Stub(of_clip=0.0, of_model=1.0),
    }
    found = evaluate_sanity(voices, network, explainers, depths=3)
    assert found.verdicts() == {"edges": "does not change", "learned": "changes"}
    tests = found.tests.set_index(["explainer", "kind"])
    assert tests.loc[("edges", "signed"), "mean"] == pytest.approx(1.0)
    assert tests.loc[("edges", "signed"), "p_same_clip"] < 0.01
    assert tests.loc[("edges", "signed"), "different_clips"] < 0.5
    assert tests.loc[("learned", "signed"), "different_clips"] == pytest.approx(1.0)
    assert tests.loc[("learned", "signed"), "p_same_clip"] > 0.05
    assert list(found.summary()["layer"].unique()) == ["fc", "layer1.shortcut", "conv1"]
    assert sorted(found.frame["depth"].unique()) == [1, 7, 13]
    assert "does NOT change when all weights are drawn again" in found.sentences()["edges"]
    assert "changes when all weights are drawn again, as it should" in found.sentences()["learned"]


def test_the_stated_rule():
    rng = np.random.default_rng(0)
    orders = [np.arange(12.0) + scale * rng.normal(size=12) for scale in np.linspace(0, 50, 2000)]
    reached = np.array([scipy.stats.spearmanr(w, np.arange(12)).statistic for w in orders])

    def tested(values):
        done = {
            str(k): {
                "tables": {
                    "x": [
                        np.arange(12.0).reshape(1, 12, 1).tolist(),
                        orders[int(np.abs(reached - value).argmin())].reshape(1, 12, 1).tolist(),
                    ]
                },
                "target_index": 0,
            }
            for k, value in enumerate(values)
        }
        clips = {key: {"speaker": None} for key in done}
        found = module._test("x", "signed", done, clips, decide=True, seed=0)
        assert found["mean"] == pytest.approx(np.mean(values), abs=0.02)
        return found

    assert tested([0.3, 0.4, 0.3, 0.4, 0.3])["verdict"] == "changes"
    assert tested([0.9, 0.8, 0.9, 0.8])["verdict"] == "does not change"
    assert tested([0.1, 0.9, 0.5, 0.8])["verdict"] == "undecided"
    assert tested([0.9, 0.9])["verdict"] == "unknown"


def test_rules_that_only_turn_the_sign_are_seen(network, voices):
    """Minus the clip's own weights: signed ranks change all they can, absolute ones do not."""

    class Turning(Stub):
        def explain(self, model, audio, *, target=None):
            found = super().explain(model, audio, target=target)
            own = model.module.fc.weight.abs().max() > 0.3  # the trained one's are larger
            return replace(found, weights=found.weights * (1.0 if own else -1.0))

    assert network.module.fc.weight.abs().max() > 0.3
    found = evaluate_sanity(voices, network, {"x": Turning(1.0, 0.0)}, depths=2)
    tests = found.tests.set_index("kind")
    assert tests.loc["signed", "mean"] == pytest.approx(-1.0)
    assert tests.loc["signed", "verdict"] == "changes"
    assert tests.loc["absolute", "verdict"] == "does not change"
    assert found.verdicts() == {"x": "does not change"}


def test_permutation_p_against_all_permutations():
    rng = np.random.default_rng(0)
    likeness = rng.random((5, 5)) + 0.3 * np.eye(5)
    means = [likeness[np.arange(5), list(order)].mean() for order in permutations(range(5))]
    exact = np.mean(np.array(means) >= np.diagonal(likeness).mean() - 1e-12)
    assert same_clip_p(likeness) == pytest.approx(exact, abs=0.03)
    holes = np.full((6, 6), np.nan)
    holes[:5, :5] = likeness
    assert same_clip_p(holes) == same_clip_p(likeness)
    assert np.isnan(same_clip_p(likeness[:3, :3]))
    assert same_clip_p(np.ones((5, 5))) == 1.0


def test_constant_explanations_are_no_agreement(network, voices):
    """A last layer of zeros answers the same to everything."""
    flat = quantus.trained()
    nn.init.zeros_(flat.module.fc.weight)
    found = evaluate_sanity(voices, flat, {"shapley": EmoLime(units=BANDS)}, n_clips=3, depths=2)
    assert found.frame[["signed", "absolute"]].isna().all(axis=None)
    assert found.frame["reason"].str.contains("all weights of the first").all()
    assert "constant" in [flag.key for flag in found.gate.flags]
    assert found.verdicts() == {"shapley": "unknown"}
    assert "nothing can be compared: all weights of the first" in found.sentences()["shapley"]


# ---------------------------------------------------------------- an independent tool


def test_scores_are_those_of_quantus(network, monkeypatch, tmp_path):
    """Model Parameter Randomisation Test of Quantus 0.6.0; see scripts/quantus_randomisation.py."""
    stored = json.loads(Path(__file__).with_name("quantus_randomisation.json").read_text())
    monkeypatch.setattr(
        "cuelens.evaluate.randomised_models.layer_seed", lambda seed, depth: quantus.LAYER_SEED
    )
    sounds = quantus.clips()
    rows = []
    for number, sound in enumerate(sounds):
        soundfile.write(tmp_path / f"{number}.wav", sound.samples, RATE, subtype="FLOAT")
        rows.append((str(tmp_path / f"{number}.wav"), "anger", f"s{number}"))
    table = pd.DataFrame(rows, columns=["file", "emotion", "speaker"])
    corpus = Corpus(
        name="two",
        licence="none",
        table=table.assign(start=0.0, end=float("nan"), sentence=None),
    )
    found = evaluate_sanity(corpus, network, quantus.EXPLAINERS, depths=None).frame
    assert list(found["target"].groupby(found["clip"]).first()) == stored["targets"]
    assert len(found) == 2 * 13 * 2
    for explainer, by_kind in stored["scores"].items():
        for kind, by_layer in by_kind.items():
            own = found[found["explainer"] == explainer]
            assert list(own["layer"].unique()) == list(by_layer)[1:]  # after the original
            for layer, scores in list(by_layer.items())[1:]:
                here = own[own["layer"] == layer].sort_values("clip")[kind]
                np.testing.assert_allclose(here, scores, atol=1e-3, err_msg=f"{explainer} {layer}")


# ---------------------------------------------------------------- models without layers


def test_two_models_in_closed_form(voices):
    """Energies of four bands with factors; in the other, the order of the factors is turned."""
    turned = replace(ONE, factors=np.array(ONE.factors)[:, ::-1], labels=("b", "a"))
    turned.factors = turned.factors[::-1]  # the rows follow the labels
    explainer = EmoLime(units=BANDS)
    found = compare_models(voices, ONE, turned, {"shapley": explainer}, name="factors turned")
    for row in found.frame.to_dict("records"):
        audio = voices.audio(int(Path(row["clip"]).stem))
        one = explainer.explain(ONE, audio, target=row["target"])
        other = explainer.explain(turned, audio, target=row["target"])
        a, b = (weights_by_place(e)[e.target_index].ravel() for e in (one, other))
        assert row["signed"] == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
        assert row["absolute"] == pytest.approx(scipy.stats.spearmanr(abs(a), abs(b)).statistic)
        assert row["probability"] == pytest.approx(other.prediction[other.target_index])
    same = compare_models(voices, ONE, ONE, {"shapley": explainer})
    assert (same.frame["signed"] == 1.0).all()
    assert same.verdicts() == {"shapley": "does not change"}
    assert same.about["other_model"] == "linear in energies"


def test_labels_that_the_other_model_has_not(voices):
    other = replace(ONE, labels=("a", "c"))
    explainer = {"shapley": EmoLime(units=BANDS)}
    found = compare_models(voices, ONE, other, explainer, n_clips=4)
    assert set(found.frame["target"]) == {"a"}  # the positive factors
    assert found.frame["reason"].eq("").all()
    unknown = compare_models(voices, ONE, replace(ONE, labels=("c", "d")), explainer, n_clips=4)
    assert unknown.frame["reason"].str.contains("target is 'a'; expected one of").all()
    assert unknown.verdicts() == {"shapley": "unknown"}
    assert "nothing can be compared: target is 'a'" in unknown.sentences()["shapley"]


def test_what_other_processes_get_gives_the_same(network, voices):
    model = load_model("emodb-cnn")
    others = Randomised(seed=0, order="cascade", how="reset", chosen=("fc",))
    shared = (voices, model, {"grad-cam": explainer_named("grad-cam")}, others)
    assert module._one_clip(*pickle.loads(pickle.dumps(shared)), 1) == module._one_clip(*shared, 1)
    shared = (voices, ONE, {"shapley": EmoLime()}, OneOther(name="same", model=ONE))
    assert module._one_clip(*pickle.loads(pickle.dumps(shared)), 1) == module._one_clip(*shared, 1)


def test_labels_are_dealt_out_again(monkeypatch):
    seen = []

    def fit(corpus, *, features, seed, progress):
        seen.append((corpus.table["emotion"].tolist(), features, seed))
        return ONE

    monkeypatch.setattr("cuelens.evaluate.randomised_models.fit_model", fit)
    corpus = demo_corpus()
    for seed in (0, 0, 1):
        assert shuffled_labels_model(corpus, features="compare", seed=seed) is ONE
    truth = corpus.table["emotion"].tolist()
    assert [sorted(emotions) for emotions, _, _ in seen] == [sorted(truth)] * 3
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[2][0]
    assert all(emotions != truth for emotions, _, _ in seen)
    assert [(features, seed) for _, features, seed in seen] == [
        ("compare", 0),
        ("compare", 0),
        ("compare", 1),
    ]


# ---------------------------------------------------------------- result and command


def test_saved_drawn_and_continued(network, voices, tmp_path):
    explainers = {"grad-cam": explainer_named("grad-cam"), "x": Stub(1.0, 0.2)}
    settings = {"n_clips": 3, "depths": 2, "journal": tmp_path / "sanity.jsonl"}
    found = evaluate_sanity(voices, network, explainers, **settings)
    again = evaluate_sanity(voices, network, explainers, **settings)
    pd.testing.assert_frame_equal(found.frame, again.frame)
    assert again.to_dict() == found.to_dict()
    with pytest.raises(InputError, match="other settings \\(how was"):
        evaluate_sanity(voices, network, explainers, **settings, how="permute")
    file = found.save(tmp_path / "new" / "folder")
    content = json.loads(file.read_text("utf-8"))
    assert content["verdicts"] == found.verdicts()
    assert content["gate"]["model"] == "torch"
    assert len(pd.read_csv(file.with_suffix(".csv"))) == 3 * 2 * 2
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    check_figure(found.plot())
    assert [tick.get_text() for tick in found.plot().get_xticklabels()] == [
        "trained",
        "fc",
        "conv1",
    ]
    alone = evaluate_sanity(
        voices, network, explainers, n_clips=3, depths=3, order="independent", how="permute"
    )
    assert set(alone.verdicts().values()) == {"unknown"}
    assert len(alone.plot().get_xticklabels()) == 4


APP = typer.Typer()
APP.command()(sanity)


def run(*arguments):
    result = CliRunner().invoke(APP, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_help_teaches():
    shown = run("--help")
    for word in ("Adebayo", "shuffled labels", "--gate-only", "Example"):
        assert word in shown


def test_command_on_a_network(tmp_path):
    folder = tmp_path / "out"
    shown = run(
        *("--explainer", "grad-cam", "--clips", "3", "--depths", "2", "--workers", "1"),
        *("--out", str(folder)),
    )
    assert "emodb-cnn: nothing speaks against explaining it (10 clips)" in shown
    content = json.loads((folder / "sanity.json").read_text())
    assert content["sentences"]["grad-cam"] in shown
    assert set(pd.read_csv(folder / "sanity.csv")["layer"]) == {"fc", "conv1"}


def test_command_with_the_gate_alone_and_other_models(tmp_path):
    out = ("--out", str(tmp_path), "--workers", "1")
    constant = ("--model", "python:cuelens.testing:ConstantModel")
    shown = run(*constant, "--gate-only", *out)
    assert "constant: 2 reasons not to explain it" in shown
    assert "same label for everything: All 10 clips" in shown
    assert json.loads((tmp_path / "gate.json").read_text())["ok"] is False
    with pytest.raises(InputError, match="is neither a network"):
        run(*constant, *out)
    shown = run(
        *constant, "--other-model", constant[1], "--explainer", "shapley", "--clips", "2", *out
    )
    assert "shapley: with other weights, nothing can be compared: all weights of" in shown


@pytest.mark.corpus
@pytest.mark.slow
def test_trained_on_shuffled_labels(data_dir, tmp_path, monkeypatch):
    corpus = data_dir / "emodb-2s"
    (tmp_path / "own_explainers.py").write_text(
        "from cuelens import EmoLime, FrequencyBands\n\n"
        "few_bands = EmoLime(units=FrequencyBands(n_bands=3), estimator='lime')\n"
    )
    monkeypatch.chdir(tmp_path)
    shown = run(
        *("--model", "emodb-egemaps", "--corpus", str(corpus), "--speakers", "03,08"),
        *("--explainer", "python:own_explainers:few_bands", "--clips", "3", "--workers", "1"),
        *("--out", str(tmp_path / "out")),
    )
    assert "with shuffled labels" in shown
    assert "chance 0.14" in shown
