"""What the documentation says is what was measured, and what it points to is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from benchmarks import probing
from benchmarks.alignment import markdown_alignment
from benchmarks.app import markdown_app
from benchmarks.cues import (
    markdown_agreement,
    markdown_honesty,
    markdown_recall,
    markdown_top_cues,
)
from benchmarks.faithfulness import markdown_table
from benchmarks.interventions import (
    markdown_direction,
    markdown_identity,
    markdown_implied,
    markdown_praat,
)
from benchmarks.killed_runs import markdown_killed
from benchmarks.million import markdown_million
from benchmarks.moments import markdown_moments
from benchmarks.probing_truth import markdown_truth
from benchmarks.run import markdown_occlusion, markdown_speed
from benchmarks.runs import markdown_runs
from benchmarks.speech_detector import markdown_speech
from benchmarks.start_up import markdown_start_up
from benchmarks.timeline import markdown_timeline
from benchmarks.trust import (
    COMMANDS,
    markdown_cues,
    markdown_fills,
    markdown_planted,
    markdown_sanity,
    markdown_stability,
    markdown_summary,
)
from benchmarks.units import markdown_units

from cuelens.models import describe_bundled

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "gallery").glob("*.md")),
    *sorted((ROOT / "docs" / "notebooks").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_faithfulness_figures_are_the_measured_ones():
    results = json.loads((ROOT / "benchmarks" / "results" / "faithfulness.json").read_text())
    page = (ROOT / "docs" / "faithfulness.md").read_text(encoding="utf-8")
    for model in results["lost"]:
        assert markdown_table(results, model) in page
    assert results["n_clips"] >= 60


def test_speed_figures_are_the_measured_ones():
    results = json.loads((ROOT / "benchmarks" / "results" / "speed.json").read_text())
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert markdown_speed(results) in page
    assert markdown_occlusion(results) in page
    assert results["occlusion"]["largest_difference"] < 1e-5
    assert results["occlusion"]["captum_default_over_local"] >= 5


def results_of(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def test_figures_on_moments_are_the_measured_ones():
    page = (ROOT / "docs" / "moments.md").read_text(encoding="utf-8")
    tess = results_of("cues_tess")
    assert markdown_moments(results_of("moments")) in page
    assert markdown_recall(tess) in page
    assert markdown_top_cues(tess) in page
    assert tess["recall"]["edges"]["uar"] >= 0.71


def test_figures_on_units_are_the_measured_ones():
    page = (ROOT / "docs" / "units.md").read_text(encoding="utf-8")
    found = results_of("units")
    assert markdown_units(found) in page
    releases, words, edges = found["releases"], found["words"], found["boundaries"]
    text = " ".join(page.split())
    for figure in (
        f"By measurement on {found['n_clips']} full clips",
        f"the {releases['n']} releases of p, t and k",
        f"median difference {abs(releases['median_ms']):.1f} ms, "
        f"{releases['within_2_ms']:.0%}".replace("%", " %")
        + " within 2 ms",
        f"In {words['as_written']} of {words['labelled']} labelled clips",
        f"({edges['n']} boundaries), half of the boundaries lie within "
        f"{edges['own_median_ms']:.0f} ms",
        f"{100 * edges['own_within_10_ms']:.0f} % within 10 ms; of as many equal windows, half "
        f"within {edges['equal_median_ms']:.0f} ms, {100 * edges['equal_within_10_ms']:.0f} %",
    ):
        assert figure in text


def test_figures_on_cues_are_the_measured_ones():
    page = (ROOT / "docs" / "cues.md").read_text(encoding="utf-8")
    measured = {name: results_of(f"cues_{name}") for name in ("emodb", "ravdess")}
    assert markdown_agreement(measured) in page
    assert markdown_honesty(results_of("cues_honesty")) in page


def test_recall_in_the_documentation_is_that_of_the_models():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for description in describe_bundled():
        evaluation = description["evaluation"]
        interval = f"{evaluation['uar_ci_low']:.2f} to {evaluation['uar_ci_high']:.2f}"
        assert f"| {evaluation['uar']:.2f} ({interval}) |" in page


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets | {"up"}


def test_figures_on_runs_are_the_measured_ones():
    page = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    assert markdown_runs(results_of("runs")) in page
    assert markdown_million(results_of("million")) in page
    killed = results_of("killed_runs")
    assert markdown_killed(killed) in page
    for part in ("local", "dask"):
        assert killed[part]["kills"] == 20
        assert killed[part]["same_bytes"]
        assert killed[part]["same_values"]


def test_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"version: {project['version']}" in (ROOT / "CITATION.cff").read_text()


def test_figures_on_probing_are_the_measured_ones():
    page = (ROOT / "docs" / "probing.md").read_text(encoding="utf-8")
    assert probing.markdown_speed(results_of("probing_speed")) in page
    assert markdown_truth(results_of("probing_truth")) in page
    measured = {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for corpus in probing.CORPORA
        for file in sorted((ROOT / "benchmarks" / "results").glob(f"probing_{corpus}-*.json"))
    }
    assert "probing_ravdess-byols" in measured
    for found in measured.values():
        assert probing.markdown_dimensions(found) in page
    assert probing.markdown_features(measured["probing_ravdess-byols"]) in page
    assert probing.markdown_noise(measured) in page
    assert probing.markdown_order(measured) in page
    assert results_of("probing_speed")["grid_search_over_shared"] >= 50
    assert f"took {results_of('probing_whole')['seconds']:.0f} s after extraction" in page
    means = results_of("probing_logistic")["mean"]
    assert f"is {means['ridge']:.3f}, that of a logistic" in page
    assert f"balanced weights {means['logistic']:.3f}." in page


def test_figures_on_trust_are_the_measured_ones():
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    assert "<!--" not in page
    tables = {
        "faithfulness": markdown_fills,
        "stability": markdown_stability,
        "sanity": markdown_sanity,
        "planted-cues": markdown_cues,
        "reproduce": markdown_summary,
    }
    for name in COMMANDS:
        found = results_of(f"trust_{name}")
        kind = name.split("_")[0]
        if kind != "planted":
            assert tables[kind](found) in page
            continue
        for board, shuffled in (("leaderboard", False), ("shuffled_labels", True)):
            if shuffled == name.endswith("shuffled"):
                for edit in {row["edit"] for row in found[board]}:
                    assert markdown_planted(found, edit=edit, shuffled=shuffled) in page


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_planted_bands_and_moments_are_found(corpus):
    """What is claimed for Shapley values and LIME on real speech."""
    wanted = {"bands": (("shapley", "lime"), 0.95), "moments": (("shapley-windows",), 0.90)}
    for kind, (explainers, least) in wanted.items():
        board = results_of(f"trust_planted_{corpus}-{kind}")["leaderboard"]
        hits = [row["hit"] for row in board if row["explainer"] in explainers]
        assert hits
        assert min(hits) >= least


def test_two_workers_are_worth_it():
    found = results_of("workers")
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert found["same_results"]
    assert found["ratio"] >= 1.7
    assert f"two are {found['ratio']:.2f} times as fast as one" in page


def test_it_starts_quickly():
    found = results_of("start_up")
    assert markdown_start_up(found) in (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert found["commands"]["import cuelens"]["shortest_s"] < 0.5
    assert found["commands"]["cuelens --help"]["shortest_s"] < 0.7


def test_the_app_bears_many_requests():
    found = results_of("app")
    page = (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    assert markdown_app(found) in page
    assert found["n_failed"] == 0
    assert found["n_different_pages"] == 1


def test_an_hour_is_gone_through_in_little_memory():
    found = results_of("timeline")
    page = (ROOT / "docs" / "long_recordings.md").read_text(encoding="utf-8")
    assert markdown_timeline(found) in page
    assert found["minutes"] == 60
    assert found["whole"]["peak_mb"] < 1500
    assert found["time_ratio"] <= 10.5
    assert f"ten times the length takes {found['time_ratio']:.1f} times as long" in page


def test_figures_on_speech_detection_are_the_measured_ones():
    found = results_of("speech_detector")
    page = " ".join((ROOT / "docs" / "long_recordings.md").read_text(encoding="utf-8").split())
    assert " ".join(markdown_speech(found).split()) in page
    noisy = found["recordings"][-1]
    for name in ("late_start_s", "late_end_s"):
        low, high = (f"{value:.2f}".replace("-", "−") for value in noisy[name])
        assert f"between {low} and {high} s" in page
    silence = found["silence_called_speech"]
    assert f"mode 2) calls {100 * silence['webrtc']:.0f} % of the time" in page
    assert f"Silero's {100 * silence['silero']:.0f} %" in page
    n_split = found["recordings"][1]["in_two_or_more"]
    assert f"without noise, {n_split} become two segments" in page
    assert all(row["found"] == row["n"] for row in found["recordings"])


def test_figures_on_alignment_are_the_measured_ones():
    found = results_of("alignment")
    page = " ".join((ROOT / "docs" / "groups.md").read_text(encoding="utf-8").split())
    assert " ".join(markdown_alignment(found).split()) in page
    assert (
        f"{found['n_pairs']} pairs of EmoDB clips of one sentence, {found['n_two_speakers']} of "
        f"them by two speakers and {found['n_two_emotions']} of two emotions, against "
        f"{found['n_boundaries']:,} boundaries" in page
    )


def test_figures_on_interventions_are_the_measured_ones():
    page = (ROOT / "docs" / "interventions.md").read_text(encoding="utf-8")
    identity = {
        corpus: results_of(f"interventions_identity_{corpus}") for corpus in ("emodb", "ravdess")
    }
    assert markdown_identity(identity) in page
    assert all(found["identity"] == 0 for found in identity.values())
    direction = results_of("interventions_direction")
    assert markdown_implied(direction) in page
    assert markdown_direction(direction) in page
    praat = results_of("interventions_praat")
    assert markdown_praat(praat) in page
    breath = next(row for row in praat["cues"] if row["cue"] == "breathiness")
    assert f"falls with every dose in {breath['falls']:.0%} of {breath['n']} clips" in page


def one_line(name: str) -> str:
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def test_figures_on_the_pages_of_questions_are_the_measured_ones():
    found = results_of("moments")
    lost = {name: f"{row['lost']:.2f}" for name, row in found["explainers"].items()}
    maps = sorted(
        lost[name] for name in ("occlusion", "grad-cam", "integrated-gradients", "lrp", "crp")
    )
    assert (
        f"they lose {lost['Shapley, 256 versions (default)']} of the probability, maps {maps[0]} "
        f"to {maps[-1]}, random order {lost['random order']}; {found['n_clips']} clips"
        in one_line("when.md")
    )
    emodb, ravdess = results_of("cues_emodb"), results_of("cues_ravdess")
    chance = [
        f"{100 * corpus['share_of_clips_with_p_below_0.05']:.1f} % of {corpus['n_clips']}"
        for corpus in (emodb, ravdess)
    ]
    assert f"({chance[0]} clips, {chance[1]}; 5 % is chance)" in one_line("which_cues.md")
    right, wrong = emodb["agreement"]["right"], emodb["agreement"]["wrong"]
    shares = {
        (name, where): f"{100 * part[where]['value']:.0f} %"
        for name, part in (("right", right), ("wrong", wrong))
        for where in ("salient", "random")
    }
    page = one_line("whole_corpus.md")
    assert f"{shares['right', 'salient']} of the scored cues went the expected way" in page
    assert f"({right['salient']['n_clips']} clips, {right['salient']['n_cells']} cells)" in page
    assert f"and {shares['right', 'random']} in random moments too" in page
    assert (
        f"{shares['wrong', 'salient']} and {shares['wrong', 'random']} "
        f"({wrong['salient']['n_clips']} clips)" in page
    )


def test_limits_of_the_app_in_the_documentation_are_its_own():
    from cuelens.app.limits import Limits

    limits, page = Limits(), (ROOT / "docs" / "app.md").read_text(encoding="utf-8")
    assert f"`--max-seconds {limits.max_s:g}`, `--max-mb {limits.max_mb:g}`" in page
    assert f"`--keep-minutes {limits.kept_s / 60:g}`" in page
    assert f"At most {limits.n_kept} explanations" in page


def test_every_room_is_in_the_picture():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contract["contracts"][0]["layers"][1:]
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    page = one_line("architecture.md")
    for room in " | ".join(layers).split(" | "):
        assert room in picture
    order = [", ".join(layer.split(" | ")) for layer in reversed(layers)]
    assert " -> ".join(order) in page
