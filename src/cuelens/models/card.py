"""The model card: what a model is, what it is worth, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cuelens.figure_style import COLUMN_IN, PAGE_IN, SMALL_PT, new_figure, save_figure, styled
from cuelens.models.evaluation import HeldOut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_IN_COLUMN = 8  # labels
_DPI = 150  # a page for screens, in a folder that is shipped
_TEXT = """# {name}

{summary}

| | |
|---|---|
| Input | one clip of speech, {sample_rate} Hz mono; {input} |
| Output | probabilities of {labels} |
| Trained on | {corpus}: {n_clips} clips of {n_speakers} speakers; licence: {licence} |
| Unweighted average recall, leave one speaker out | **{uar:.3f}** (95 % interval over speakers {low:.3f} to {high:.3f}) |

## Recall on speakers it has not heard

| emotion | recall | clips |
|---|---|---|
{recall_rows}

| speaker left out | accuracy |
|---|---|
{speaker_rows}

![Confusion](confusion.png)

Every figure comes from models trained without the speaker that is tested. The model in this folder is
trained in the same way on all {n_speakers} speakers, so it has no held-out figure of its own.

## Limits

The speech is acted, of few speakers and one language; the figures say nothing about spontaneous speech,
other languages, ages or recording conditions. The probabilities are not calibrated. Not for decisions
about people: recognising emotions from voices at work or school is restricted or prohibited by law in
some places.

## How it was made

{how}

Seed {seed}. Every figure on this page is in `model.json`.
"""


def write_card(folder: Path, description: Mapping[str, Any], held_out: HeldOut) -> None:
    """Write ``README.md`` and ``confusion.png`` into a model folder."""
    (folder / "README.md").write_text(card_text(description), encoding="utf-8")
    save_figure(plot_confusion(held_out), folder / "confusion.png", dpi=_DPI)


def card_text(description: Mapping[str, Any]) -> str:
    """The card as Markdown, from the content of ``model.json``."""
    training, evaluation = description["training"], description["evaluation"]
    counts = np.sum(evaluation["confusion"], axis=1)
    network = description["kind"] == "log_mel_cnn"
    if network:
        summary = (
            "ResNetSmall, a small residual network on log-mel spectrograms "
            "(architecture of arXiv 2511.11691)."
        )
        window_s = description["front_end"]["window_s"]
        takes = f"windows of {window_s:g} s, averaged over longer clips; any recording level"
    else:
        feature_set = description["features"]["feature_set"]
        summary = f"Logistic regression on the {feature_set} functionals of openSMILE."
        takes = "any length from 0.1 s; any recording level"
    return _TEXT.format(
        name=description["name"],
        summary=summary,
        input=takes,
        sample_rate=description["sample_rate"],
        labels=", ".join(description["labels"]),
        corpus=training["corpus"],
        licence=training["licence"],
        n_clips=training["n_clips"],
        n_speakers=len(training["speakers"]),
        uar=evaluation["uar"],
        low=evaluation["uar_ci_low"],
        high=evaluation["uar_ci_high"],
        recall_rows="\n".join(
            f"| {label} | {recall:.2f} | {count} |"
            for (label, recall), count in zip(evaluation["recall"].items(), counts, strict=True)
        ),
        speaker_rows="\n".join(
            f"| {speaker} | {accuracy:.2f} |"
            for speaker, accuracy in evaluation["accuracy_by_speaker"].items()
        ),
        how="\n".join(
            f"- {key.replace('_', ' ')}: {value}" for key, value in description["recipe"].items()
        ),
        seed=training["seed"],
    )


@styled
def plot_confusion(held_out: HeldOut) -> Figure:
    """Shares of answers (columns) for each emotion (rows), of speakers not heard."""
    share = held_out.confusion / np.maximum(held_out.confusion.sum(axis=1, keepdims=True), 1)
    n_labels = len(held_out.labels)
    narrow = n_labels <= _MOST_IN_COLUMN
    figure = new_figure(COLUMN_IN if narrow else PAGE_IN, 1.1 + (0.3 if narrow else 0.5) * n_labels)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in range(n_labels):
        for column in range(n_labels):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{share[row, column]:.2f}".lstrip("0") if share[row, column] else ""
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALL_PT)
    axes.set_xticks(range(n_labels), held_out.labels)
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n_labels), held_out.labels)
    axes.set_xlabel("answer")
    axes.set_ylabel("acted emotion")
    axes.set_title(f"Speakers not heard: UAR {held_out.uar:.3f}")
    figure.colorbar(image, label="share of the row", shrink=0.8)
    return figure
