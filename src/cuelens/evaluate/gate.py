"""The gate: is there a model to explain?

A network whose head was never trained, or that gives the same answer to everything, can be
explained all the same, and the explanation looks like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cuelens.audio import MIN_DURATION_S, Audio
from cuelens.corpora import Corpus, demo_corpus
from cuelens.errors import InputError
from cuelens.evaluate.clips import balanced_rows
from cuelens.evaluate.over_clips import json_ready
from cuelens.models.base import (
    Model,
    Output,
    label_index,
    model_labels,
    model_max_duration_s,
    model_name,
    model_output,
    predict,
)
from cuelens.models.batching import compare_batching
from cuelens.models.evaluation import HeldOut
from cuelens.models.lengths import longest_taken
from cuelens.typing import FloatArray

# Largest standard deviation over speech clips of any label's probability.  Measured on the 10 demo
# clips and on 14 of EmoDB: 240 untrained ResNetSmall of 2 to 7 labels behind both front ends, at
# most 0.052; 1000 untrained last layers on each of three trained networks, 88 to 100 % below 0.1;
# the four trained models at hand, 0.17 (an English one, of German) to 0.45.
CONSTANT_SD = 0.1


_CONSTANT_VALUE = 1e-3  # of a regressor, as a share of its largest output


_NEAR_UNIFORM = 0.05


_SAME = 1e-6  # answers to the same clip, asked twice, as a share of the largest output


_PROBABILITY = 1e-3


WARNED = "warned of when loaded"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Something that speaks against explaining a model.

    Parameters
    ----------
    key : str
        What, in a word or two.
    sentence : str
        What was seen, what it means and what to do.
    informational : bool
        Worth knowing, no reason not to go on.
    """

    key: str
    sentence: str
    informational: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """What was found before explaining.

    Parameters
    ----------
    model : str
    labels : tuple of str
    n_clips : int
        Speech clips that were asked about.
    flags : tuple of Flag
    measures : mapping of str to float
        What the flags were decided on.
    """

    model: str
    labels: tuple[str, ...]
    n_clips: int
    flags: tuple[Flag, ...]
    measures: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against explaining."""
        return all(flag.informational for flag in self.flags)

    def to_dict(self) -> dict[str, Any]:
        """The gate as JSON types."""
        return {
            "model": self.model,
            "labels": list(self.labels),
            "ok": self.ok,
            "n_clips": self.n_clips,
            "flags": [asdict(flag) for flag in self.flags],
            "measures": json_ready(self.measures),
        }


def gate(
    model: Model,
    *,
    clips: Sequence[Audio] | None = None,
    corpus: Corpus | None = None,
    n_clips: int | None = 100,
    seed: int = 0,
) -> Gate:
    """Ask a model about a few clips, silence and noise, and flag what should not be explained.

    Parameters
    ----------
    model : Model
    clips : sequence of Audio or None
        Speech with different emotions; by default the 10 synthetic demo clips.
    corpus : Corpus or None
        Labelled speech that the model has not been trained on, to see whether it does better than
        chance.
    n_clips : int or None
        Clips of the corpus that are asked about, drawn so that emotions and speakers come equally
        often; None: all.
    seed : int
        Of the draw and of the noise.

    Raises
    ------
    InputError
        The model fails on speech, or was said to mask padding and does not; there are fewer than
        two clips, or no emotion of the corpus is among its labels.
    """
    labels = model_labels(model)
    rate = model.sample_rate
    own = clips is not None
    if clips is None:
        demo = demo_corpus()
        clips = [demo.audio(row, sample_rate=rate) for row in range(len(demo))]
    if len(clips) < 2:
        raise InputError(f"{len(clips)} clips; expected two or more, of different emotions")
    speech = [clip.resample(rate).samples for clip in clips]
    noise = np.random.default_rng(seed).normal(0.0, 0.05, rate).astype(np.float32)
    odd = {"silence": np.zeros(rate, dtype=np.float32), "noise": np.clip(noise, -1.0, 1.0)}
    flags = _notes(model)
    if not own:  # a user's own clips must be answered as they are
        longest = _longest(model, max(speech, key=len))
        speech = [sound[:longest] for sound in speech]
        odd = {name: sound[:longest] for name, sound in odd.items()}
    batching = compare_batching(model, lambda some: predict(model, some), speech)
    outputs = batching.alone
    for name, sound in odd.items():
        try:
            predict(model, [sound.copy()])
        except InputError as error:
            flags.append(Flag(key=f"fails on {name}", sentence=_FAILS.format(name, error)))
    measures = _measured(outputs)
    measures["difference_again"] = batching.again
    measures["difference_in_batch"] = batching.in_batch
    flags += _flags(labels, outputs, measures, output=model_output(model))
    if batching.differs:
        flags.append(
            Flag(
                key="batch differs from single",
                sentence=f"Clips are answered differently together than one by one (by "
                f"{batching.in_batch:.2g} of the largest output): padding to the longest changes "
                "the answer; mask it, or let predict_proba take clips one by one.",
            )
        )
    if corpus is not None:
        recall = _recall(model, corpus, balanced_rows(corpus, n_clips, seed=seed))
        measures |= recall
        flags += _recall_flags(recall)
    return Gate(
        model=model_name(model),
        labels=labels,
        n_clips=len(speech),
        flags=tuple(flags),
        measures=measures,
    )


_FAILS = (
    "The model fails on {}, which explainers give it when they leave parts out ({}): make it "
    "answer, for instance with equal probabilities."
)


def _notes(model: Model) -> list[Flag]:
    """What the model's adapter warned of when it was loaded."""
    return [Flag(key=WARNED, sentence=f"{note}.") for note in getattr(model, "notes", ())]


def _longest(model: Model, speech: FloatArray) -> int:
    """Samples of the demo clips that the model takes, or hears.

    Raises
    ------
    InputError
        It fails on the shortest sound too.
    """
    n = round(min(len(speech), model_max_duration_s(model) * model.sample_rate))
    try:
        predict(model, [speech[:n].copy()])
    except InputError:

        def takes(n_samples: int) -> bool:
            try:
                predict(model, [speech[:n_samples].copy()])
            except InputError:
                return False
            return True

        shortest = round(MIN_DURATION_S * model.sample_rate)
        found = longest_taken(takes, failed=n, shortest=shortest)
        if found is None:
            raise
        return found
    return n


def _measured(outputs: FloatArray) -> dict[str, float]:
    """What the flags are decided on, from outputs (n_clips, n_labels)."""
    outside = max(0.0, float(-outputs.min()), float(outputs.max()) - 1.0)
    scale = 1.0 if outside <= _PROBABILITY else float(np.abs(outputs).max()) or 1.0
    off = 0.0 if outputs.shape[1] == 1 else float(np.abs(outputs.sum(axis=1) - 1.0).max())
    return {
        "outside_probability": outside,
        "off_one": off,
        "largest_sd": float(outputs.std(axis=0).max()) / scale,
        "largest_above_uniform": float(outputs.max() - 1.0 / outputs.shape[1]),
        "n_labels_answered": float(len(set(outputs.argmax(axis=1).tolist()))),
    }


def _flags(
    labels: tuple[str, ...], outputs: FloatArray, measures: Mapping[str, float], *, output: Output
) -> list[Flag]:
    n, sd = len(outputs), measures["largest_sd"]
    flags = []
    within = measures["outside_probability"] <= _PROBABILITY
    add_up = within and measures["off_one"] <= _PROBABILITY
    if output == "value":
        if sd < _CONSTANT_VALUE:
            flags.append(
                Flag(
                    key="constant",
                    sentence=f"Values hardly change over {n} clips (standard deviation at most "
                    f"{sd:.2g}): there is nothing to explain; check that the weights were loaded.",
                )
            )
        return flags + _chance_flags(measures)
    if sd < CONSTANT_SD:
        flags.append(
            Flag(
                key="constant",
                sentence=f"Outputs hardly change over {n} clips (standard deviation at most "
                f"{sd:.3f}; trained models reach 0.17 and more): there is nothing to explain; "
                "check that the weights were loaded, above all those of the last layer.",
            )
        )
    if add_up and len(labels) > 1 and measures["largest_above_uniform"] < _NEAR_UNIFORM:
        flags.append(
            Flag(
                key="near uniform",
                sentence=f"No label ever gets more than {outputs.max():.2f} (1/{len(labels)} is "
                f"{1 / len(labels):.2f}): this is what a last layer that was never trained "
                "answers; load a checkpoint that was trained for these labels.",
            )
        )
    if len(labels) > 1 and measures["n_labels_answered"] == 1:
        only = labels[int(outputs[0].argmax())]
        flags.append(
            Flag(
                key="same label for everything",
                sentence=f"All {n} clips are answered with {only}: the model may be untrained, or "
                "expect other sound (rate, level, language); try clips that it was trained on.",
            )
        )
    flags += _chance_flags(measures)
    if not within:
        flags.append(
            Flag(
                key="not probabilities",
                sentence=f"Outputs lie outside [0, 1] ({outputs.min():.3g} to "
                f"{outputs.max():.3g}): {_MEANT[output]}.",
                informational=output == "logit",
            )
        )
    elif not add_up:
        flags.append(
            Flag(
                key="each label by itself",
                sentence=f"Outputs lie in [0, 1] and do not add up to 1 (by "
                f"{measures['off_one']:.2g}): each label is taken as a probability by itself, as "
                "of labels that do not exclude each other.",
                informational=True,
            )
        )
    return flags


_MEANT = {
    "logit": "weights are shares of logits, as the model says",
    "probability": "they are no probabilities, as the model says they are, and weights are shares "
    "of a score; if they are logits, make probabilities of them (softmax, or a sigmoid of each "
    'label), and if they are values of regression, say output = "value"',
}


def _chance_flags(measures: Mapping[str, float]) -> list[Flag]:
    if measures["difference_again"] <= _SAME:
        return []
    return [
        Flag(
            key="not deterministic",
            sentence=f"The same clip is answered differently when asked again (by "
            f"{measures['difference_again']:.2g} of the largest output): explanations "
            "would show that too; switch the model to evaluation mode, or fix its seed.",
        )
    ]


def _recall(model: Model, corpus: Corpus, rows: Sequence[int]) -> dict[str, float]:
    """Unweighted average recall over the emotions that the model knows, with its interval."""
    known: list[tuple[int, int]] = []
    for row in rows:
        try:
            known.append((row, label_index(model, str(corpus.table["emotion"].iloc[row]))))
        except InputError:  # an emotion that the model has no label for
            continue
    if not known:
        raise InputError(
            f"{corpus.name} has {', '.join(corpus.emotions)}; expected some of the labels of "
            f"{model_name(model)}: {', '.join(model_labels(model))}"
        )
    speakers = [corpus.speaker_of(row) for row, _ in known]
    if None in speakers or len(set(speakers)) < 3:
        speakers = [str(row) for row, _ in known]  # each clip by itself
    sounds = (corpus.audio(row, sample_rate=model.sample_rate).samples.copy() for row, _ in known)
    held_out = HeldOut(
        labels=model_labels(model),
        truth=np.array([truth for _, truth in known]),
        probabilities=np.concatenate([predict(model, [sound]) for sound in sounds]),
        speakers=np.array(speakers, dtype=np.str_),
    )
    low, high = held_out.uar_interval()
    return {
        "n_labelled_clips": float(len(known)),
        "uar": held_out.uar,
        "uar_low": low,
        "uar_high": high,
        "uar_chance": 1.0 / len(set(held_out.truth.tolist())),
    }


def _recall_flags(recall: Mapping[str, float]) -> list[Flag]:
    if recall["uar_low"] > recall["uar_chance"]:
        return []
    return [
        Flag(
            key="no better than chance",
            sentence=f"Recall is {recall['uar']:.2f} ({recall['uar_low']:.2f} to "
            f"{recall['uar_high']:.2f}) on {recall['n_labelled_clips']:.0f} labelled clips, and "
            f"chance is {recall['uar_chance']:.2f}: explanations would be of guesses; check labels "
            "and their order, or try more clips.",
        )
    ]
