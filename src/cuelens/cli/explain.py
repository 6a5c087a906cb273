"""``cuelens explain``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cuelens.cli.console import MODEL_HELP, err, print_error
from cuelens.cli.explain_clip import checked_model, explain_one
from cuelens.errors import CuelensError

if TYPE_CHECKING:
    from cuelens.audio import Audio
    from cuelens.corpora import Corpus
    from cuelens.evaluate import RemovalCurve
    from cuelens.explain import EmoLime, Explanation, MapExplainer

    _Made = tuple[Explanation, RemovalCurve | None, EmoLime | MapExplainer]

_N_REFERENCES = 60  # clips of a corpus searched for concepts
_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif")


class BandScale(StrEnum):
    """Scales of ``--scale``."""

    mel = "mel"
    linear = "linear"
    bark = "bark"
    octave = "octave"


class ExplainerName(StrEnum):
    """Explainers of ``--explainer``."""

    emolime = "emolime"
    occlusion = "occlusion"
    grad_cam = "grad-cam"
    integrated_gradients = "integrated-gradients"
    lrp = "lrp"
    crp = "crp"


class EstimatorName(StrEnum):
    """Estimators of ``--estimator``."""

    shapley = "shapley"
    lime = "lime"


class OutputName(StrEnum):
    """What is shared out, of ``--output``."""

    probability = "probability"
    logit = "logit"


class TrustLevel(StrEnum):
    """How much is tested, of ``--trust``."""

    quick = "quick"
    full = "full"


class VariantName(StrEnum):
    """Ways of leaving bands out of ``--variant``."""

    lossless = "lossless"
    published = "published"


def explain(
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP...", help="Recordings: wav, flac, ogg, mp3.", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help=MODEL_HELP),
    ] = "emodb-cnn",
    explainer: Annotated[
        ExplainerName,
        typer.Option(
            help="emolime: any model, by leaving bands or moments out; the others look inside a network (emodb-cnn, resnetsmall, your own log-mel network) and give a map over time and frequency."
        ),
    ] = ExplainerName.emolime,
    units: Annotated[
        str,
        typer.Option(
            help="What emolime leaves out: bands; windows (moments); voiced-windows (between changes of level and voicing); cells (windows*bands); harmonics; harmonic-percussive; words, syllables or phones from labels, as words:FILE (TextGrid, ELAN, CTM, CSV, EmoDB lablaut; FILE#TIER names the tier; a folder holds a file a clip; for EmoDB clips FILE may be left out); or two, as words:FILE*bands."
        ),
    ] = "bands",
    target: Annotated[
        str | None,
        typer.Option(help="Emotion to explain; by default the model's answer.", show_default=False),
    ] = None,
    rather_than: Annotated[
        str | None,
        typer.Option(
            help="Ask why the target rather than this other emotion: weights share out the difference of the two.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        OutputName,
        typer.Option(
            help="What the weights share out: the probability, or its log-odds, which still differ where the model is all but sure."
        ),
    ] = OutputName.probability,
    bands: Annotated[int, typer.Option(help="Number of frequency bands, 2 to 64.")] = 8,
    scale: Annotated[
        BandScale, typer.Option(help="Scale on which the bands are equally wide.")
    ] = BandScale.mel,
    window_s: Annotated[
        float, typer.Option("--window", help="Length of time windows in seconds.")
    ] = 0.15,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of the network that grad-cam and crp look at.", show_default=False
        ),
    ] = None,
    cues: Annotated[
        bool,
        typer.Option(
            "--cues/--no-cues",
            help="Find the moments that count, measure the voice there, and compare it with the literature.",
        ),
    ] = True,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="Neutral recordings of the same speaker (files or folders) to compare the voice with; repeatable.",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus the clips belong to: their speaker's neutral clips, else the corpus, become the baseline, and what the corpus shows is listed; crp looks for its concepts there. A name, folder or table as in `cuelens corpus list`.",
            show_default=False,
        ),
    ] = None,
    estimator: Annotated[
        EstimatorName,
        typer.Option(
            help="shapley: fair shares that add up to the answer; lime: linear fit as published."
        ),
    ] = EstimatorName.shapley,
    variant: Annotated[
        VariantName,
        typer.Option(
            help="lossless: bands that add up to the clip; published: mel and Griffin-Lim, for comparison (slow)."
        ),
    ] = VariantName.lossless,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Budget of model calls; all combinations of bands are tried while they fit it. [default: 1024; 64 if published]",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help="Stop sampling when the 95 % interval of every weight reaches no further than this, within --samples.",
            show_default=False,
        ),
    ] = None,
    interactions: Annotated[
        bool, typer.Option("--interactions", help="Also weigh pairs of bands (in the JSON).")
    ] = False,
    trust: Annotated[
        TrustLevel,
        typer.Option(
            help="How far the explanation can be trusted: quick, from what was evaluated anyway; full, also with other sound in the gaps, faint noise, shifts and codecs (several times the work)."
        ),
    ] = TrustLevel.quick,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 42,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for reports: OUT/STEM/report.html, explanation.json, figures, sounds.",
            show_default=False,
        ),
    ] = None,
    json_output: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON instead of tables (one line a clip if there are several)."
        ),
    ] = False,
) -> None:
    """Explain why a model answered as it did: which bands, which moments, and what the voice did then.

    Prints the answer, a weight for every band (above 0 supports the target), the cues at the moments
    that count, and an account in plain sentences. With **--out** it writes a report to look at and
    listen to. Cues are compared with the rest of the clip unless **--baseline** or **--corpus**
    gives neutral speech of the speaker, which says more.

    Examples
    --------
    - `cuelens explain clip.wav --out results`

    - `cuelens explain clip.wav --baseline neutral/ --out results`

    - `cuelens explain *.wav --model emodb-egemaps --target anger --json > results.jsonl`

    - `cuelens explain clip.wav --target anger --rather-than happiness`

    - `cuelens explain clip.wav --explainer lrp --out results` (needs the extra `torch`)
    """
    from cuelens.corpora import load_corpus
    from cuelens.errors import InputError
    from cuelens.explain import MAP_EXPLAINERS, EmoLime
    from cuelens.models import load_model
    from cuelens.report import CueSettings, carried_cues, make_folder  # start-up time
    from cuelens.units import FrequencyBands, TimeWindows, UnitSpec

    chosen: EmoLime | MapExplainer
    labelled = None
    if explainer is ExplainerName.emolime:
        spec = UnitSpec.parse(
            units,
            bands=FrequencyBands(n_bands=bands, scale=scale.value),
            windows=TimeWindows(window_s=window_s),
        )
        labelled = spec if spec.needs_labels else None
        chosen = EmoLime(  # with labels, the units of each clip take the place of the windows
            units=spec.windows if spec.needs_labels else spec.units(),
            estimator=estimator.value,
            samples=samples,
            variant=variant.value,
            precision=precision,
            output=output.value,
            interactions=interactions,
            seed=seed,
        )
    else:
        settings = {"window_s": window_s}
        if precision is not None or output is not OutputName.probability:
            raise InputError(
                f"--precision and --output are for emolime; {explainer.value} explains logits"
            )
        if layer is not None:
            if explainer not in (ExplainerName.grad_cam, ExplainerName.crp):
                raise InputError(f"--layer is for grad-cam and crp; {explainer.value} has none")
            settings["layer"] = layer  # type: ignore[assignment]
        chosen = MAP_EXPLAINERS[explainer.value](**settings)
    loaded = load_model(model)
    known = None if corpus is None else load_corpus(corpus)
    if out_dir is not None:
        make_folder(out_dir)  # before the work, so that a mistake costs nothing
    wanted = None
    if cues:
        wanted = CueSettings(
            window_s=window_s,
            seed=seed,
            baseline=_neutral_clips(baseline),
            corpus=known,
        )
    if explainer is ExplainerName.crp:
        chosen = replace(chosen, references=_references(known))  # type: ignore[call-arg]
    carried = carried_cues(model) if cues else None
    checked = checked_model(loaded)
    folders = unique_folders(clips, out_dir)
    failed = 0
    for clip, folder in zip(clips, folders, strict=True):
        try:
            explain_one(
                clip,
                folder,
                explainer=chosen,
                units=labelled,
                model=loaded,
                target=target,
                rather_than=rather_than,
                cues=wanted,
                carried=carried,
                checked=checked,
                thorough=trust is TrustLevel.full,
                as_json=json_output,
                json_lines=len(clips) > 1,
            )
        except CuelensError as error:  # one bad clip does not cost the others
            print_error(error)
            failed += 1
    if failed:
        if len(clips) > 1:
            err.print(f"{failed} of {len(clips)} clips could not be explained")
        raise typer.Exit(2)


def _references(corpus: Corpus | None) -> tuple[Audio, ...]:
    """Clips in which crp looks for its concepts: of the corpus, else the synthetic demo clips."""
    from importlib.resources import files

    from cuelens.audio import load_audio

    if corpus is None:
        folder = Path(str(files("cuelens") / "demo_clips"))
        return tuple(load_audio(file) for file in sorted(folder.glob("*.flac")))
    step = max(1, len(corpus) // _N_REFERENCES)
    return tuple(corpus.audio(row) for row in range(0, len(corpus), step))


def _neutral_clips(paths: list[Path] | None) -> tuple[Path, ...]:
    """Files, and the recordings in folders."""
    from cuelens.errors import InputError

    files: list[Path] = []
    for path in paths or []:
        if path.is_dir():
            found = sorted(f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES)
            if not found:
                raise InputError(f"{path}: no recordings in it; expected {', '.join(_SUFFIXES)}")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file or folder; expected neutral recordings")
    return tuple(files)


def unique_folders(clips: list[Path], out_dir: Path | None) -> list[Path | None]:
    """A folder a clip under ``out_dir``, named by its stem; namesakes get -2, -3, ..."""
    if out_dir is None:
        return [None] * len(clips)
    taken: set[str] = set()
    folders: list[Path | None] = []
    for clip in clips:
        stem = clip.stem if clip.stem.strip(".") else "clip"
        name = stem
        number = 2
        while name.casefold() in taken:
            name = f"{stem}-{number}"
            number += 1
        taken.add(name.casefold())
        folders.append(out_dir / name)
    return folders
