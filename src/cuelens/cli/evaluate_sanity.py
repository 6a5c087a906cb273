"""``cuelens evaluate sanity``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cuelens.cli.console import StagedProgress, out, progress_bar, result_folder
from cuelens.cli.evaluate_stability import (
    chosen_corpus,
    chosen_explainers,
    n_processes,
    number,
    print_failed,
)
from cuelens.cli.options import Clips, ModelName, Seed, Speakers, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cuelens.corpora import Corpus
    from cuelens.evaluate.gate import Gate
    from cuelens.evaluate.sanity import Sanity
    from cuelens.explain.named import Explainer
    from cuelens.models import Model


class OrderName(StrEnum):
    """Orders of ``--order``."""

    cascade = "cascade"
    independent = "independent"


class HowName(StrEnum):
    """What ``--how`` takes."""

    reset = "reset"
    permute = "permute"


def sanity(
    model: ModelName = "emodb-cnn",
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus: a name, folder or table as in `cuelens corpus list`; by default the 10 synthetic demo clips. Where given, the model's recall on it is compared with chance.",
            show_default=False,
        ),
    ] = None,
    explainer: Annotated[
        list[str] | None,
        typer.Option(
            help="As in `cuelens evaluate stability`; repeatable. By default shapley, shapley-windows and lrp of a network, lime-64 and shapley-windows of other models.",
            show_default=False,
        ),
    ] = None,
    other_model: Annotated[
        str | None,
        typer.Option(
            help="Compare with this model, which has not learned what the model has, such as one trained on shuffled labels.",
            show_default=False,
        ),
    ] = None,
    depths: Annotated[
        int | None,
        typer.Option(help="Depths of the network at which explanations are compared.", min=2),
    ] = 5,
    order: Annotated[
        OrderName,
        typer.Option(
            help="Draw again all layers from the top down, or one alone (no verdicts then)."
        ),
    ] = OrderName.cascade,
    how: Annotated[
        HowName,
        typer.Option(help="Draw weights as the layer is initialised, or shuffle those it has."),
    ] = HowName.reset,
    gate_only: Annotated[
        bool, typer.Option("--gate-only", help="Only look at the model's answers; explain nothing.")
    ] = False,
    clips: Clips = 20,
    speakers: Speakers = None,
    seed: Seed = 0,
    workers: Workers = None,
    out_dir: Annotated[
        Path,
        typer.Option("--out", help="Folder for table and figure; an interrupted run goes on."),
    ] = Path("cuelens-sanity"),
) -> None:
    """Find out whether there is a model to explain, and whether explanations depend on it.

    First the gate: answers that hardly change, a last layer that was never trained, one label for
    everything, answers that differ when asked again or in a batch, recall no better than chance.

    Then the weights of the network are drawn again at random, from the last layer down to the
    first, and clips are explained again (Adebayo et al. 2018). An explanation that stays what it
    was shows the clip, not what the model has learned. It *changes* where the 95 % interval of the
    rank correlation with the trained model's lies below 0.5, signed and of absolute weights, once
    all weights are drawn again.

    A model on openSMILE features has no layers: another one is trained on the corpus with shuffled
    labels, and their explanations are compared. For any other model, give one with --other-model.

    Writes sanity.json, sanity.csv (a row a clip, explainer and depth) and sanity.png; gate.json
    with --gate-only. Some 20 seconds a clip and core for emodb-cnn; drawing weights again needs the
    extra `torch`.

    Examples
    --------
    - `cuelens evaluate sanity --gate-only --model resnetsmall:weights.pth`

    - `cuelens evaluate sanity --explainer lrp --explainer grad-cam --clips 10`

    - `cuelens evaluate sanity --model emodb-egemaps --corpus emodb`
    """
    from cuelens.evaluate.gate import gate
    from cuelens.explain.explanation import dump_json
    from cuelens.models import load_model

    loaded = load_model(model)
    chosen = chosen_explainers(explainer, loaded, seed=seed)
    found = chosen_corpus(corpus, speakers)
    result_folder(out_dir)
    passed = gate(loaded, corpus=None if corpus is None else found, seed=seed)
    _print_gate(passed)
    if gate_only:
        file = out_dir / "gate.json"
        file.write_text(dump_json(passed.to_dict()), encoding="utf-8")
        out.print(f"  written: {file}", markup=False, highlight=False, soft_wrap=True)
        return
    with progress_bar() as progress:
        other = None if other_model is None else load_model(other_model)
        name = "other weights"
        if other is None:
            name = "shuffled labels"
            other = _shuffled(loaded, found, seed, StagedProgress(progress))
        task = progress.add_task(found.name, total=min(clips, len(found)))
        result = _evaluate(
            found,
            loaded,
            other,
            chosen,
            name=name,
            depths=depths,
            order=order,
            how=how,
            clips=clips,
            seed=seed,
            journal=out_dir / "sanity.jsonl",
            n_workers=n_processes(workers),
            progress=lambda n: progress.advance(task, n),
        )
    result = replace(result, gate=passed)
    result.save(out_dir)
    _print(result)
    out.print(f"  table and figure: {out_dir}", markup=False, highlight=False, soft_wrap=True)


def _shuffled(model: Model, corpus: Corpus, seed: int, progress: StagedProgress) -> Model | None:
    """A model like this one, trained on shuffled labels; None of a network."""
    from cuelens.errors import InputError
    from cuelens.evaluate.randomised_models import shuffled_labels_model
    from cuelens.models import FeaturesModel, model_name
    from cuelens.models.network import is_network

    if is_network(model):
        return None
    if not isinstance(model, FeaturesModel):
        raise InputError(
            f"model {model_name(model)} is neither a network whose weights can be drawn again nor "
            "one on openSMILE features that can be trained on shuffled labels; expected "
            "--other-model, one that has not learned what it has, or --gate-only"
        )
    compare = model.features.feature_set.startswith("ComParE")
    return shuffled_labels_model(
        corpus, features="compare" if compare else "egemaps", seed=seed, progress=progress
    )


def _evaluate(
    corpus: Corpus,
    model: Model,
    other: Model | None,
    explainers: Mapping[str, Explainer],
    *,
    name: str,
    depths: int | None,
    order: OrderName,
    how: HowName,
    clips: int,
    seed: int,
    journal: Path,
    n_workers: int | None,
    progress: Callable[[int], None],
) -> Sanity:
    from cuelens.evaluate.sanity import compare_models, evaluate_sanity

    if other is not None:
        return compare_models(
            corpus,
            model,
            other,
            explainers,
            name=name,
            n_clips=clips,
            seed=seed,
            journal=journal,
            n_workers=n_workers,
            progress=progress,
        )
    return evaluate_sanity(
        corpus,
        model,
        explainers,
        n_clips=clips,
        depths=depths,
        order=order.value,
        how=how.value,
        seed=seed,
        journal=journal,
        n_workers=n_workers,
        progress=progress,
    )


def _print_gate(passed: Gate) -> None:
    serious = [flag for flag in passed.flags if not flag.informational]
    out.print(
        f"{passed.model}: "
        + (
            f"{len(serious)} reasons not to explain it"
            if len(serious) > 1
            else "one reason not to explain it"
            if serious
            else "nothing speaks against explaining it"
        )
        + f" ({passed.n_clips} clips)",
        markup=False,
        highlight=False,
    )
    if "uar" in passed.measures:
        out.print(
            "  recall (UAR) {uar:.2f} ({uar_low:.2f} to {uar_high:.2f}), chance {uar_chance:.2f}".format(
                **passed.measures
            ),
            highlight=False,
        )
    for flag in passed.flags:
        out.print(
            f"  [bold]{escape(flag.key)}[/bold]: {escape(flag.sentence)}",
            highlight=False,
            soft_wrap=True,
        )


def _print(result: Sanity) -> None:
    about = result.about
    print_failed(about["failed"], about["n_clips"])
    out.print(
        f"explanations of {about['n_clips']} clips of {about['corpus']} {about['compared_with']}",
        markup=False,
        highlight=False,
    )
    summary = result.summary()
    table = Table(box=None, pad_edge=False)
    table.add_column("explainer", no_wrap=True)
    table.add_column("compared at", no_wrap=True)
    for head in ("signed (95 %)", "absolute (95 %)"):
        table.add_column(head, justify="right", no_wrap=True)
    for explainer, own in summary.groupby("explainer", sort=False):
        shown = escape(str(explainer))
        for layer, part in own.groupby("layer", sort=False):
            by_kind = {row["kind"]: row for row in part.to_dict("records")}
            table.add_row(
                shown,
                escape(str(layer)),
                number(by_kind["signed"], "mean", interval=True),
                number(by_kind["absolute"], "mean", interval=True),
            )
            shown = ""
    out.print(table)
    for sentence in result.sentences().values():
        out.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)
