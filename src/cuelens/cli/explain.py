"""``cuelens explain``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cuelens.cli.console import MODEL_HELP, err, print_error
from cuelens.cli.explain_clip import checked_model, explain_one
from cuelens.cli.explain_options import own_settings, refuse_idle, takes
from cuelens.cli.options import FIGURES_HELP, FigureFormatName
from cuelens.errors import CuelensError

if TYPE_CHECKING:
    from cuelens.audio import Audio
    from cuelens.corpora import Corpus

_N_REFERENCES = 60  # clips of a corpus searched for concepts
_QUESTION = "What is asked"
_UNITS = "What is left out (emolime)"
_CUES = "Cues, and what they are compared with"
_EFFORT = "How weights are found"
_RESULTS = "Results"
_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif")


class BandScale(StrEnum):
    """Scales of ``--scale``."""

    mel = "mel"
    linear = "linear"
    bark = "bark"
    octave = "octave"


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
    context: typer.Context,
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP...", help="Recordings: wav, flac, ogg, mp3.", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help=MODEL_HELP, metavar="MODEL", rich_help_panel=_QUESTION),
    ] = "emodb-cnn",
    explainer: Annotated[
        str,
        typer.Option(
            help="emolime: any model, by leaving parts of the clip out. occlusion, grad-cam, integrated-gradients, lrp and crp look inside a network (emodb-cnn, resnetsmall, your own log-mel network) and give a map over time and frequency. Or one that an installed package registers.",
            metavar="NAME",
            rich_help_panel=_QUESTION,
        ),
    ] = "emolime",
    units: Annotated[
        str,
        typer.Option(
            help="bands; windows (moments); voiced-windows (moments between changes of level and voicing); cells; harmonics; harmonic-percussive; words:FILE, syllables:FILE, phones:FILE (labels: TextGrid, ELAN, CTM, CSV, EmoDB lablaut; words:FILE#TIER names a tier, words:FOLDER finds a file a clip, words alone those of EmoDB); or one of time and one of frequency, as `words:FILE*bands`.",
            metavar="UNITS",
            rich_help_panel=_UNITS,
        ),
    ] = "bands",
    target: Annotated[
        str | None,
        typer.Option(
            help="Emotion to explain; by default the model's answer.",
            metavar="LABEL",
            rich_help_panel=_QUESTION,
            show_default=False,
        ),
    ] = None,
    rather_than: Annotated[
        str | None,
        typer.Option(
            help="Ask why the target rather than this other emotion: weights share out the difference of the two.",
            metavar="LABEL",
            rich_help_panel=_QUESTION,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        OutputName,
        typer.Option(
            help="What emolime's weights share out: the probability, or its log-odds, which still differ where the model is all but sure.",
            rich_help_panel=_QUESTION,
        ),
    ] = OutputName.probability,
    bands: Annotated[
        int,
        typer.Option(
            help="Number of frequency bands, 2 to 64.", metavar="N", rich_help_panel=_UNITS
        ),
    ] = 8,
    scale: Annotated[
        BandScale,
        typer.Option(
            help="Scale on which the bands are equally wide: mel, linear, bark, octave.",
            metavar="SCALE",
            rich_help_panel=_UNITS,
        ),
    ] = BandScale.mel,
    window_s: Annotated[
        float,
        typer.Option(
            "--window",
            help="Length of time windows, those of cues and maps too, in seconds.",
            metavar="SECONDS",
            rich_help_panel=_UNITS,
        ),
    ] = 0.15,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of the network that grad-cam and crp look at.",
            metavar="NAME",
            rich_help_panel=_EFFORT,
            show_default=False,
        ),
    ] = None,
    cues: Annotated[
        bool,
        typer.Option(
            "--cues/--no-cues",
            help="Find the moments that count, measure the voice there, and compare it with the literature.",
            rich_help_panel=_CUES,
        ),
    ] = True,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="Neutral recordings of the same speaker (files or folders) to compare the voice with; repeatable.",
            metavar="PATH",
            rich_help_panel=_CUES,
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Corpus the clips belong to: their speaker's neutral clips, else the corpus, become the baseline, and what the corpus shows is listed; crp looks for its concepts there. A name, folder or table as in `cuelens corpus list`.",
            metavar="CORPUS",
            rich_help_panel=_CUES,
            show_default=False,
        ),
    ] = None,
    estimator: Annotated[
        EstimatorName,
        typer.Option(
            help="shapley: fair shares that add up to the answer; lime: linear fit as published (both emolime).",
            rich_help_panel=_EFFORT,
        ),
    ] = EstimatorName.shapley,
    variant: Annotated[
        VariantName,
        typer.Option(
            help="lossless: parts that add up to the clip; published: mel bands and Griffin-Lim, for comparison (slow).",
            rich_help_panel=_EFFORT,
        ),
    ] = VariantName.lossless,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Budget of model calls; all combinations of units are tried while they fit it. [default: 1024, more for over 64 units; 64 if published]",
            metavar="N",
            rich_help_panel=_EFFORT,
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help="Stop sampling when the 95 % interval of every weight reaches no further than this to either side, within --samples.",
            metavar="WIDTH",
            rich_help_panel=_EFFORT,
            show_default=False,
        ),
    ] = None,
    interactions: Annotated[
        bool,
        typer.Option(
            "--interactions",
            help="Also weigh pairs of bands (in the JSON).",
            rich_help_panel=_EFFORT,
        ),
    ] = False,
    trust: Annotated[
        TrustLevel,
        typer.Option(
            help="How far the explanation can be trusted: quick, from what was evaluated anyway; full, also with other sound in the gaps, faint noise, shifts and codecs (several times the work).",
            rich_help_panel=_RESULTS,
        ),
    ] = TrustLevel.quick,
    seed: Annotated[
        int, typer.Option(help="Seed of everything random.", metavar="N", rich_help_panel=_EFFORT)
    ] = 42,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for reports: OUT/STEM/report.html, explanation.json, figures, sounds.",
            metavar="FOLDER",
            rich_help_panel=_RESULTS,
            show_default=False,
        ),
    ] = None,
    figures: Annotated[
        FigureFormatName,
        typer.Option(help=FIGURES_HELP, rich_help_panel=_RESULTS),
    ] = FigureFormatName.png,
    json_output: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON instead of tables (one line a clip if there are several).",
            rich_help_panel=_RESULTS,
        ),
    ] = False,
) -> None:
    """Explain why a model answered as it did: which bands, which moments, and what the voice did then.

    Prints the answer, a weight for every band (above 0 supports the target), the cues at the moments
    that count, and an account in plain sentences. With **--out** it writes a report to look at and
    listen to. Cues are compared with the rest of the clip unless **--baseline** or **--corpus**
    gives neutral speech of the speaker, which says more. No option is needed to begin.

    Examples
    --------
    - `cuelens explain clip.wav --out results`

    - `cuelens explain clip.wav --baseline neutral/ --out results`

    - `cuelens explain *.wav --model emodb-egemaps --target anger --json > results.jsonl`

    - `cuelens explain clip.wav --target anger --rather-than happiness`

    - `cuelens explain clip.wav --units words:clip.TextGrid --out results`

    - `cuelens explain recordings/*.wav --units "words:labels*bands"` (labels: a folder)

    - `cuelens explain clip.wav --explainer lrp --out results` (needs the extra `torch`)
    """
    from cuelens.corpora import load_corpus
    from cuelens.explain import ConceptRelevance
    from cuelens.explain.named import explainer_class, with_settings
    from cuelens.models import load_model
    from cuelens.report import CueSettings, carried_cues, make_folder  # start-up time
    from cuelens.units import FrequencyBands, TimeWindows, UnitSpec

    spec = labelled = None
    given = _given(context)
    kind = explainer_class(explainer)
    settings = own_settings(explainer, given)
    if takes(kind, "units"):
        spec = UnitSpec.parse(
            units,
            bands=FrequencyBands(n_bands=bands, scale=scale.value),
            windows=TimeWindows(window_s=window_s),
        )
        spec.check_clips(clips)
        labelled = spec if spec.needs_labels else None
        # with labels, the units of each clip take the place of the windows
        settings["units"] = spec.windows if spec.needs_labels else spec.units()
    chosen = with_settings(kind, **{"window_s": window_s, "seed": seed, **settings})
    refuse_idle(given, explainer=explainer, variant=variant.value, cues=cues, units=spec)
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
    if isinstance(chosen, ConceptRelevance):
        chosen = replace(chosen, references=_references(known))
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
                figures=figures.value,
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


def _given(context: typer.Context) -> dict[str, Any]:
    """Options that stand on the command line, by the names of their parameters."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in context.params.items()
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }


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
