from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuelens import Audio, EmoLime, Explanation, FrequencyBands, InputError
from cuelens.evaluate import removal_curve
from cuelens.evaluate.faithfulness import (
    MEASURES,
    FaithfulnessCurves,
    faithfulness_curves,
)
from cuelens.evaluate.fills import FILLS, filler
from cuelens.evaluate.orders import best_order, random_orders, relevance_order, removal_path
from cuelens.evaluate.removal import coalition_table
from cuelens.evaluate.removed_units import cell_relevance, removal_game, removed_units
from cuelens.explain import Occlusion, TimeFrequencyMap
from cuelens.models import load_model
from cuelens.testing import (
    BandModel,
    ConstantModel,
    LinearEnergyModel,
    noise,
    speech_like,
    tone,
)
from cuelens.units import HarmonicPercussive, Segments, TimeFrequencyCells, TimeWindows

MODEL = BandModel(band_hz=(500.0, 3000.0))


def explained(n_bands: int, *, duration_s: float = 1.0, **options) -> Explanation:
    audio = Audio(samples=noise(duration_s=duration_s), sample_rate=16_000)
    return EmoLime(units=FrequencyBands(n_bands=n_bands), **options).explain(MODEL, audio)


def test_curve_against_its_definition():
    explanation = explained(5)
    curve = removal_curve(explanation, MODEL)
    order = explanation.order()
    parts = explanation.components.parts

    def p_without(removed) -> float:
        kept = [unit for unit in range(5) if unit not in removed]
        return float(MODEL.predict_proba([parts[kept].sum(axis=0)])[0, 0])

    for k in range(6):
        assert curve.by_weight[k] == pytest.approx(p_without(order[:k]), abs=1e-5)
        every = [p_without(removed) for removed in combinations(range(5), k)]
        assert curve.random_mean[k] == pytest.approx(np.mean(every), abs=1e-5)
        assert curve.lowest[k] == pytest.approx(min(every), abs=1e-5)
    by_order = np.mean([[p_without(o[:k]) for k in range(6)] for o in permutations(range(5))], 0)
    np.testing.assert_allclose(curve.random_mean, by_order, atol=1e-5)


def test_enumerated_explanations_cost_no_further_calls():
    explanation = explained(8)
    before = MODEL.n_waveforms
    curve = removal_curve(explanation, MODEL)
    assert MODEL.n_waveforms == before
    assert curve.n_model_calls == 0
    assert curve.exact


def test_sampled_explanations_ask_the_model():
    explanation = explained(8, samples=64)
    before = MODEL.n_waveforms
    curve = removal_curve(explanation, MODEL)
    assert MODEL.n_waveforms - before == curve.n_model_calls > 0
    assert curve.lowest is None
    exact = removal_curve(explained(8), MODEL)
    np.testing.assert_allclose(curve.random_mean, exact.random_mean, atol=0.15)


def test_share_of_random_orders_that_is_beaten():
    """Of all orders of 4 units, brute force."""
    explanation = explained(4)
    curve = removal_curve(explanation, MODEL)
    table = coalition_table(explanation)[:, explanation.target_index]
    areas = [
        np.trapezoid(table[removal_path(np.array(order)) @ (1 << np.arange(4))], dx=0.25)
        for order in permutations(range(4))
    ]
    own = np.trapezoid(curve.by_weight, dx=0.25)
    beaten = np.mean([1.0 if a > own + 1e-9 else 0.5 if a > own - 1e-9 else 0.0 for a in areas])
    assert curve.n_orders == 24
    assert curve.share_beaten == pytest.approx(beaten)
    worst = replace(explanation, weights=-explanation.weights)
    assert removal_curve(worst, MODEL).share_beaten < 0.1
    constant = EmoLime().explain(
        ConstantModel(), Audio(samples=noise(duration_s=0.5), sample_rate=16_000)
    )
    assert removal_curve(constant, ConstantModel()).share_beaten == 0.5


def test_sampled_walks_serve_again():
    """Random orders that the weights were estimated from are not asked about again."""
    units = TimeWindows(window_s=0.1)
    explanation = EmoLime(units=units, samples=200, seed=3).explain(
        MODEL, Audio(samples=noise(), sample_rate=16_000)
    )
    before = MODEL.n_waveforms
    curve = removal_curve(explanation, MODEL)
    assert MODEL.n_waveforms - before == curve.n_model_calls == 11
    assert curve.n_orders == 22
    rows = zip(explanation.keep, explanation.outputs, strict=True)
    known = {bits.tobytes(): row for bits, row in rows}
    without_one = [bits for bits in explanation.keep if bits.sum() == 9]
    values = [known[bits.tobytes()][explanation.target_index] for bits in without_one]
    assert min(values) - 1e-12 <= curve.random_mean[1] <= max(values) + 1e-12
    fresh = removal_curve(replace(explanation, method=replace(explanation.method, seed=99)), MODEL)
    assert fresh.n_model_calls > 100  # walks of another seed are not known
    np.testing.assert_allclose(curve.random_mean, fresh.random_mean, atol=0.1)


def test_published_explanations_are_removed_without_griffin_lim():
    explanation = explained(4, duration_s=0.3, variant="published", samples=16)
    curve = removal_curve(explanation, MODEL)
    exact = removal_curve(explained(4, duration_s=0.3), MODEL)
    assert not explanation.tried_all
    assert curve.by_weight[0] == pytest.approx(exact.by_weight[0], abs=1e-6)


def test_additive_model_in_closed_form():
    units = FrequencyBands(n_bands=4, scale="linear")
    factors = np.array([[4.0, 3.0, 2.0, 1.0]])
    model = LinearEnergyModel(
        edges_hz=tuple(units.edges_hz(16_000)), factors=factors, labels=("sum",)
    )
    samples = sum(tone(hz, level=0.2) for hz in (1000.0, 3000.0, 5000.0, 7000.0))
    explanation = EmoLime(units=units).explain(model, Audio(samples=samples, sample_rate=16_000))
    curve = removal_curve(explanation, model)
    np.testing.assert_allclose(curve.by_weight / 0.02, [10, 6, 3, 1, 0], atol=0.02)
    np.testing.assert_allclose(curve.random_mean / 0.02, [10, 7.5, 5, 2.5, 0], atol=0.02)
    np.testing.assert_allclose(curve.lowest, curve.by_weight, atol=1e-9)
    by_weight, random = curve.lost()
    assert by_weight / 0.02 == pytest.approx(10 - 4.5, abs=0.02)
    assert random / 0.02 == pytest.approx(10 - 6.25, abs=0.02)


def test_path_removes_in_order():
    np.testing.assert_array_equal(
        removal_path(np.array([2, 0, 1])),
        [[True, True, True], [True, True, False], [False, True, False], [False, False, False]],
    )


def test_what_cannot_be_done_is_said():
    explanation = explained(8, samples=64)
    with pytest.raises(InputError, match="of 256 combinations of units; expected all"):
        coalition_table(explanation)
    read = Explanation.from_json(explanation.to_json())
    with pytest.raises(InputError, match="holds no sound"):
        removal_curve(read, MODEL)


# All orders of removal


def curves_of(model, *, n_bands=4, fill="silence", **options) -> FaithfulnessCurves:
    audio = Audio(samples=noise(), sample_rate=16_000)
    explanation = EmoLime(units=FrequencyBands(n_bands=n_bands)).explain(model, audio)
    return faithfulness_curves(explanation, model, fill=fill, **options)


def additive(factors) -> tuple[LinearEnergyModel, Explanation]:
    """Four tones of equal energy in four bands, each with its factor."""
    units = FrequencyBands(n_bands=4, scale="linear")
    model = LinearEnergyModel(
        edges_hz=tuple(units.edges_hz(16_000)), factors=np.array([factors]) / 0.02, labels=("sum",)
    )
    samples = sum(tone(hz, level=0.2) for hz in (1000.0, 3000.0, 5000.0, 7000.0))
    audio = Audio(samples=samples, sample_rate=16_000)
    return model, EmoLime(units=units).explain(model, audio)


def test_measures_of_an_additive_model_in_closed_form():
    model, explanation = additive([2.0, 4.0, 1.0, 3.0])
    curves = faithfulness_curves(explanation, model)
    assert (curves.removed, curves.n_units, curves.n_model_calls) == ("frequency bands", 4, 0)
    np.testing.assert_allclose(curves.share_removed, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curves.deletion, [10, 6, 3, 1, 0], atol=0.02)
    np.testing.assert_allclose(curves.insertion, [0, 4, 7, 9, 10], atol=0.02)
    np.testing.assert_array_equal(curves.best_deletion, curves.deletion)
    np.testing.assert_array_equal(curves.best_insertion, curves.insertion)
    measures = curves.measures()
    assert set(measures) == set(MEASURES)
    assert measures["deletion_area"] == pytest.approx(0.25 * (5 + 6 + 3 + 1), abs=0.02)
    assert measures["insertion_area"] == pytest.approx(0.25 * (4 + 7 + 9 + 5), abs=0.02)
    assert measures["comprehensiveness"] == pytest.approx(10 - (6 + 3) / 2, abs=0.02)
    assert measures["sufficiency"] == pytest.approx(10 - (4 + 7) / 2, abs=0.02)
    assert curves.all_orders
    assert len(curves.random_deletion) == 24
    assert measures["percentile_deletion"] == pytest.approx(23.5 / 24)
    assert measures["percentile_insertion"] == pytest.approx(23.5 / 24)
    random = curves.random_measures()
    assert random["deletion_area"] == pytest.approx(5.0, abs=0.02)
    assert random["comprehensiveness"] == pytest.approx(10 - (7.5 + 5) / 2, abs=0.02)
    assert curves.best_areas()["deletion_area"] == pytest.approx(measures["deletion_area"])
    assert random["sufficiency"] == pytest.approx(10 - (2.5 + 5) / 2, abs=0.02)


def test_percentile_of_every_order_of_an_additive_model():
    """Areas of the 24 orders, from the order alone; a tie counts half."""
    factors = [2, 4, 1, 3]
    model, explanation = additive(factors)
    outputs = explanation.keep @ np.array([factors]).T  # whole numbers, so that ties are ties
    explanation = replace(explanation, outputs=outputs.astype(np.float64))

    def area(order) -> float:
        left = [10 - sum(order[:k]) for k in range(5)]
        return sum(left) - (left[0] + left[-1]) / 2

    every = [area(order) for order in permutations(factors)]
    for order in permutations(range(4)):
        weights = np.zeros((1, 4))
        weights[0, list(order)] = [4.0, 3.0, 2.0, 1.0]
        measures = faithfulness_curves(replace(explanation, weights=weights), model).measures()
        own = area([factors[unit] for unit in order])
        worse = np.mean([(a > own) + 0.5 * (a == own) for a in every])
        assert measures["percentile_deletion"] == pytest.approx(worse, abs=1e-12)
        assert measures["deletion_area"] == pytest.approx(0.25 * own, abs=1e-12)


@pytest.mark.parametrize("fill", FILLS)
def test_every_figure_against_its_definition(fill):
    """Bands are removed and replaced by hand; all 24 orders; a model in which bands interact."""
    audio = Audio(samples=noise(), sample_rate=16_000)
    units = FrequencyBands(n_bands=4)
    explanation = EmoLime(units=units).explain(MODEL, audio, target="low")
    curves = faithfulness_curves(explanation, MODEL, fill=fill, seed=5)
    assert (curves.n_model_calls == 0) == (fill == "silence")
    other = filler(audio, fill, seed=5)
    level = max(1.0, 2 * np.abs(other).max())
    parts = explanation.components.parts
    others = 0 * parts
    if fill != "silence":
        scaled = Audio(samples=other / level, sample_rate=16_000)
        others = level * units.decompose(scaled).parts
    answers = {}
    for size in range(5):
        for kept in combinations(range(4), size):
            mixed = sum(parts[u] if u in kept else others[u] for u in range(4))
            answers[frozenset(kept)] = MODEL.predict_proba([mixed])[0]

    def along(order):
        sets = [frozenset(order[k:]) for k in range(5)]
        return np.array([answers[kept][1] for kept in sets])

    def inserted(order):
        return np.array([answers[frozenset(order[:k])][1] for k in range(5)])

    def area(values):
        return float((values[1:] + values[:-1]).sum() / 8)

    order = list(explanation.order())
    np.testing.assert_allclose(curves.deletion, along(order), atol=1e-5)
    np.testing.assert_allclose(curves.insertion, inserted(order), atol=1e-5)
    every = [list(o) for o in permutations(range(4))]
    best = min(every, key=lambda o: area(along(o)))
    np.testing.assert_allclose(curves.best_deletion, along(best), atol=1e-5)
    best = max(every, key=lambda o: area(inserted(o)))
    np.testing.assert_allclose(curves.best_insertion, inserted(best), atol=1e-5)
    measures = curves.measures()
    p = answers[frozenset(range(4))]
    for name, way, sign in (("deletion", along, 1), ("insertion", inserted, -1)):
        own, areas = area(way(order)), np.array([area(way(o)) for o in every])
        assert measures[f"{name}_area"] == pytest.approx(own, abs=1e-5)
        worse = np.where(np.abs(areas - own) < 1e-9, 0.5, sign * areas > sign * own).mean()
        assert measures[f"percentile_{name}"] == pytest.approx(worse, abs=1e-12)
        lost = p[1] - way(order)[1:3].mean()
        key = "comprehensiveness" if name == "deletion" else "sufficiency"
        assert measures[key] == pytest.approx(lost, abs=1e-5)
    kept = [answers[frozenset(order[k:])].argmax() == p.argmax() for k in range(5)]
    assert curves.kept.tolist() == kept
    assert measures["answers_kept"] == np.mean(kept[1:3])
    kept = [[answers[frozenset(o[k:])].argmax() == p.argmax() for k in (1, 2)] for o in every]
    assert curves.random_measures()["answers_kept"] == pytest.approx(np.mean(kept))


@pytest.mark.parametrize("lowest", [True, False])
def test_the_best_order_by_brute_force(lowest):
    rng = np.random.default_rng(4)
    for _ in range(20):
        values = rng.normal(size=32)

        def total(order, values=values) -> float:
            return sum(values[sum(1 << unit for unit in order[k:])] for k in range(6))

        every = [total(order) for order in permutations(range(5))]
        found = best_order(values, lowest=lowest)
        assert sorted(found) == list(range(5))
        assert total(list(found)) == pytest.approx(min(every) if lowest else max(every))


def test_random_orders_come_with_their_reverse():
    orders, exact = random_orders(9, 7, seed=1)
    assert orders.shape == (8, 9)
    assert not exact
    np.testing.assert_array_equal(orders[::2], orders[1::2, ::-1])
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(9), (8, 1)))
    orders, exact = random_orders(4, 24)
    assert exact
    assert len({tuple(order) for order in orders}) == 24
    assert not random_orders(4, 22)[1]


def test_equal_relevance_is_in_random_order():
    relevance = np.array([0.0, 3.0, 0.0, 0.0, 5.0, 0.0, 1.0, 1.0 + 1e-15])
    orders = {tuple(relevance_order(relevance, seed=seed)) for seed in range(20)}
    assert {order[:2] for order in orders} == {(4, 1)}
    assert {order[2:4] for order in orders} == {(6, 7), (7, 6)}
    assert len({order[4:] for order in orders}) > 5
    assert tuple(relevance_order(relevance, seed=3)) == tuple(relevance_order(relevance, seed=3))


def test_a_constant_model_gives_no_order_an_advantage():
    curves = curves_of(ConstantModel(), n_bands=8)
    assert not curves.all_orders
    assert len(curves.random_deletion) == 1000
    assert curves.measures() == pytest.approx(
        {
            "deletion_area": 0.7,
            "insertion_area": 0.7,
            "comprehensiveness": 0.0,
            "sufficiency": 0.0,
            "answers_kept": 1.0,
            "percentile_deletion": 0.5,
            "percentile_insertion": 0.5,
        }
    )


def test_with_many_windows_the_model_is_asked_on_the_way_only():
    """Sampled windows: the same curves from parts added up by hand; the reverse orders are free."""
    audio = Audio(samples=noise(duration_s=1.8), sample_rate=16_000)
    explanation = EmoLime(units=TimeWindows(), samples=48).explain(MODEL, audio)
    before = MODEL.n_waveforms
    curves = faithfulness_curves(explanation, MODEL, n_random=6)
    assert curves.removed == "time windows"
    assert MODEL.n_waveforms - before == curves.n_model_calls <= 2 + 8 * 11
    assert curves.best_deletion is None
    assert np.isnan(curves.best_areas()["deletion_area"])
    parts = explanation.components.mix(np.eye(12, dtype=bool))
    order = explanation.order()
    left = [parts[order[k:]].sum(axis=0) for k in range(13)]
    np.testing.assert_allclose(curves.deletion, MODEL.predict_proba(left)[:, 0], atol=1e-5)
    put_back = [parts[order[:k]].sum(axis=0) for k in range(13)]
    np.testing.assert_allclose(curves.insertion, MODEL.predict_proba(put_back)[:, 0], atol=1e-5)
    np.testing.assert_allclose(curves.random_insertion[1::2], curves.random_deletion[::2, ::-1])


# Maps


def mapped(explanation, values, *, hop_s=0.015, edges_hz=None) -> Explanation:
    """An explanation with a map of one label."""
    edges = np.linspace(0.0, 8000.0, values.shape[0] + 1) if edges_hz is None else edges_hz
    found = TimeFrequencyMap(values=values[None], edges_hz=edges, hop_s=hop_s)
    return replace(explanation, map=found)


def bursts() -> tuple[LinearEnergyModel, Explanation, np.ndarray]:
    """16 bursts, one in each cell of 4 linear bands and 4 windows, with known energies."""
    rng = np.random.default_rng(8)
    energies = rng.permutation(np.arange(1.0, 17.0)).reshape(4, 4)
    samples = np.zeros(9600)
    time = np.arange(960)
    for band in range(4):
        for window in range(4):
            shape = np.hanning(960) * np.sin(2 * np.pi * (1000 + 2000 * band) * time / 16_000)
            samples[2400 * window + 720 :][:960] += np.sqrt(energies[band, window]) * shape
    peak = np.abs(samples).max()
    model = LinearEnergyModel(
        edges_hz=(0.0, 8001.0),
        factors=np.array([[peak**2 * 9600 / np.square(np.hanning(960)).sum() * 2]]),
        labels=("energy",),
    )
    audio = Audio(samples=samples / peak, sample_rate=16_000)
    units = FrequencyBands(n_bands=4, scale="linear")
    return model, EmoLime(units=units).explain(model, audio), energies


CELLS = TimeFrequencyCells(bands=FrequencyBands(n_bands=4, scale="linear"))


def test_cells_of_a_map_in_closed_form():
    """The map says where the energy is: removing its cells takes the largest energies first."""
    model, explanation, energies = bursts()
    values = np.zeros((4, 41))
    values[:, [5, 15, 25, 35]] = energies  # the frames in the middle of the windows
    explanation = mapped(explanation, values)
    np.testing.assert_allclose(cell_relevance(explanation, CELLS), energies.ravel())
    curves = faithfulness_curves(explanation, model, cells=CELLS, n_random=4)
    largest_first = np.sort(energies.ravel())[::-1]
    left = energies.sum() - np.concatenate([[0], np.cumsum(largest_first)])
    assert (curves.removed, curves.n_units) == ("time-frequency cells", 16)
    np.testing.assert_allclose(curves.deletion, left, atol=0.1)
    np.testing.assert_allclose(curves.insertion, energies.sum() - left, atol=0.1)
    measures = curves.measures()
    assert measures["percentile_deletion"] == measures["percentile_insertion"] == 1.0
    blocks = faithfulness_curves(explanation, model, cells=CELLS, n_random=4, n_steps=4)
    np.testing.assert_allclose(blocks.deletion, left[::4], atol=0.1)
    np.testing.assert_allclose(blocks.share_removed, [0, 0.25, 0.5, 0.75, 1])
    by_random = np.mean(blocks.random_deletion, axis=0)
    assert by_random[2] == pytest.approx(energies.sum() / 2, abs=0.1)  # orders and their reverse


def test_a_band_explanation_on_cells_removes_its_bands():
    model, explanation, _ = bursts()
    by_cell = cell_relevance(explanation, CELLS)
    np.testing.assert_allclose(
        by_cell.reshape(4, 4), np.tile(explanation.target_weights[:, None], (1, 4)), rtol=1e-9
    )
    curves = faithfulness_curves(explanation, model, cells=CELLS, n_steps=4, n_random=2)
    by_bands = faithfulness_curves(explanation, model)
    np.testing.assert_allclose(curves.deletion, by_bands.deletion, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    n_map_bands=st.integers(1, 20),
    duration_s=st.floats(0.06, 1.0),
    hop_s=st.floats(0.005, 0.05),
    seed=st.integers(0, 2**31),
)
def test_cells_of_a_map_against_a_loop(n_map_bands, duration_s, hop_s, seed):
    rng = np.random.default_rng(seed)
    audio = Audio(samples=noise(duration_s=duration_s), sample_rate=16_000)
    n_frames = int(audio.duration_s / hop_s) + 1
    edges_hz = np.sort(np.concatenate([[0.0, 8000.0], rng.uniform(1, 7999, n_map_bands - 1)]))
    values = rng.normal(size=(n_map_bands, n_frames)).astype(np.float32)
    explanation = EmoLime(units=FrequencyBands(n_bands=2)).explain(ConstantModel(), audio)
    explanation = mapped(explanation, values, hop_s=hop_s, edges_hz=edges_hz)
    cells = TimeFrequencyCells(bands=FrequencyBands(n_bands=5))
    units = cells.decompose(audio).units
    found = cell_relevance(explanation, cells)
    assert found.sum() == pytest.approx(values.sum(dtype=np.float64), abs=1e-9)
    for unit, relevance in zip(units, found, strict=True):
        last = unit.end_s == audio.duration_s
        total = 0.0
        for band, frame in np.ndindex(values.shape):
            centre_s = frame * hop_s + 1e-9
            if not (unit.start_s <= centre_s and (last or centre_s < unit.end_s)):
                continue
            low, high = edges_hz[band : band + 2]
            shared = max(0.0, min(high, unit.high_hz) - max(low, unit.low_hz))
            total += float(values[band, frame]) * shared / (high - low)
        assert relevance == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("fill", ["silence", "noise"])
def test_a_map_of_a_network_against_its_definition(fill):
    """Cells of the sound are removed and replaced one by one, by hand."""
    model = load_model("emodb-cnn")
    audio = Audio(samples=speech_like(duration_s=0.5), sample_rate=16_000)
    explanation = Occlusion(stride_frames=10, stride_bands=16).explain(model, audio)
    curves = faithfulness_curves(explanation, model, fill=fill, n_steps=4, n_random=2, seed=1)
    cells = TimeFrequencyCells()
    relevance = cell_relevance(explanation, cells)
    order = np.argsort(-relevance, kind="stable")
    assert len(set(relevance)) == len(order) == 24
    each = np.eye(24, dtype=bool)
    parts = cells.decompose(audio).mix(each)
    others = 0 * parts
    if fill == "noise":
        other = filler(audio, "noise", seed=1)
        level = np.abs(other).max()
        scaled = Audio(samples=other / level, sample_rate=16_000)
        others = level * cells.decompose(scaled).mix(each)
    for k in range(5):
        out, kept = order[: 6 * k], order[6 * k :]
        left = (parts[kept].sum(axis=0) + others[out].sum(axis=0)).astype(np.float32)
        p = model.predict_proba([left])[0]
        row = explanation.target_index
        assert curves.deletion[k] == pytest.approx(p[row], abs=1e-4)
        assert curves.kept[k] == (p.argmax() == explanation.prediction.argmax())
        back = (parts[out].sum(axis=0) + others[kept].sum(axis=0)).astype(np.float32)
        assert curves.insertion[k] == pytest.approx(model.predict_proba([back])[0, row], abs=1e-4)


def test_a_shared_game_asks_nothing_twice():
    model, explanation, _ = bursts()
    game = removal_game(explanation, model, CELLS, "noise")
    options = {"cells": CELLS, "fill": "noise", "n_random": 4}
    first = faithfulness_curves(explanation, model, game=game, **options)
    again = faithfulness_curves(explanation, model, game=game, **options)
    alone = faithfulness_curves(explanation, model, **options)
    assert first.n_model_calls == alone.n_model_calls > 0
    assert again.n_model_calls == 0
    np.testing.assert_array_equal(first.random_deletion, alone.random_deletion)
    assert again.measures() == alone.measures()


@pytest.mark.parametrize(
    "units",
    [
        FrequencyBands(),
        FrequencyBands(n_bands=3, scale="bark"),
        FrequencyBands(n_bands=5, scale="octave"),
        TimeWindows(),
        TimeWindows(window_s=0.4),
        TimeWindows(window_s=1.2),
    ],
)
def test_units_are_known_from_the_explanation(units):
    audio = Audio(samples=noise(duration_s=1.13), sample_rate=16_000)
    explanation = EmoLime(units=units, samples=64).explain(ConstantModel(), audio)
    found = removed_units(explanation)
    assert found.decompose(audio).units == explanation.components.units
    assert removed_units(explanation, CELLS) == CELLS


def test_curves_as_json_need_no_sound_where_all_was_tried():
    explanation = explained(5)
    read = Explanation.from_json(explanation.to_json())
    curves = faithfulness_curves(read, MODEL)
    found = json.loads(json.dumps(curves.to_dict()))
    assert found["deletion"] == curves.deletion.tolist()
    assert found["measures"] == curves.measures()
    assert found["random_deletion_low"][2] <= found["random_deletion"][2]
    with pytest.raises(InputError, match="holds no sound"):
        faithfulness_curves(read, MODEL, fill="noise")


def test_what_cannot_be_judged_is_said():
    explanation = explained(4)
    with pytest.raises(InputError, match="fill is 'zero'; expected one of silence"):
        faithfulness_curves(explanation, MODEL, fill="zero")
    for name in ("n_steps", "n_random"):
        with pytest.raises(InputError, match=f"{name} is 0; expected 1 or more"):
            faithfulness_curves(explanation, MODEL, **{name: 0})
    strange = replace(explanation, units=explanation.units[:2], weights=np.ones((2, 2)))
    with pytest.raises(InputError, match="neither all frequency bands"):
        faithfulness_curves(strange, MODEL)


def test_words_are_removed_as_they_are():
    """Whatever lies along time is removed as the very segments that were explained."""
    audio = Audio(samples=noise(duration_s=0.8), sample_rate=16_000)
    words = Segments(labels=[(0.1, 0.3, "das"), (0.3, 0.5, "will")], kind="words")
    explanation = EmoLime(units=words).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    units = removed_units(explanation)
    keep = np.random.default_rng(0).random((5, 4)) < 0.5
    np.testing.assert_array_equal(
        units.decompose(audio).mix(keep), explanation.components.mix(keep)
    )
    parts = EmoLime(units=HarmonicPercussive()).explain(BandModel(band_hz=(500.0, 3000.0)), audio)
    with pytest.raises(InputError, match="neither all frequency bands of a scale nor parts of it"):
        removed_units(parts)
