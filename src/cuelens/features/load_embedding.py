"""Embeddings by name, as the command line takes them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from cuelens.errors import InputError
from cuelens.features.embedding import Embedding
from cuelens.features.functionals import Functionals


@dataclass(frozen=True, kw_only=True)
class EmbeddingEntry:
    """What one can ask for.

    Parameters
    ----------
    spec : str
        As `load_embedding` takes it; upper case stands for something of yours.
    summary : str
        What it is, in one line.
    size : str
        Layers and dimensions.
    extra : str
        Extra of ``cuelens`` that brings it; "" where none is needed.
    licence : str
    """

    spec: str
    summary: str
    size: str
    extra: str
    licence: str


EMBEDDINGS: tuple[EmbeddingEntry, ...] = (
    EmbeddingEntry(
        spec="egemaps",
        summary="eGeMAPSv02 functionals: pitch, loudness, voice quality, formants, timing",
        size="88",
        extra="",
        licence="openSMILE: free for research",
    ),
    EmbeddingEntry(
        spec="compare",
        summary="ComParE 2016 functionals",
        size="6373",
        extra="",
        licence="openSMILE: free for research",
    ),
    EmbeddingEntry(
        spec="byols",
        summary="BYOL-S (SERAB), trained on speech of AudioSet without labels; byols:FILE: weights "
        "of your own",
        size="512",
        extra="torch",
        licence="MIT",
    ),
    EmbeddingEntry(
        spec="dvectors",
        summary="d-vectors (Resemblyzer), trained to tell speakers apart",
        size="256",
        extra="dvectors",
        licence="Apache-2.0",
    ),
    EmbeddingEntry(
        spec="hf:ORG/NAME",
        summary="a speech encoder of the Hugging Face hub, such as hf:microsoft/wavlm-large "
        "(downloaded), or hf:FOLDER: WavLM, wav2vec 2.0, HuBERT, Whisper and their kin",
        size="every layer, averaged over time",
        extra="hf",
        licence="the checkpoint's own",
    ),
)


def load_embedding(spec: str) -> Embedding:
    """Embedding by its name.

    Parameters
    ----------
    spec : str
        ``"egemaps"``, ``"compare"``, ``"byols"`` or ``"byols:FILE"`` (weights), ``"dvectors"``,
        ``"hf:ORG/NAME"`` (of the Hugging Face hub; downloaded when first used) or ``"hf:FOLDER"``.

    Raises
    ------
    InputError
        None of these.
    MissingExtraError
        It needs an optional package.
    """
    kind, colon, rest = spec.partition(":")
    kind = kind.strip().lower()
    if kind == "egemaps" and not colon:
        return Functionals(feature_set="eGeMAPSv02")
    if kind == "compare" and not colon:
        return Functionals(feature_set="ComParE_2016")
    if kind == "byols" and bool(colon) == bool(rest):
        from cuelens.features.byol_s import ByolS  # imported when used: PyTorch is optional

        return ByolS(weights=rest or None)
    if kind == "dvectors" and not colon:
        from cuelens.features.d_vectors import DVectors  # imported when used: optional

        return DVectors()
    if kind == "hf" and rest:
        from cuelens.features.hugging_face import HuggingFaceEncoder  # imported when used: optional

        return HuggingFaceEncoder(checkpoint=rest)
    near = difflib.get_close_matches(kind, ("egemaps", "compare", "byols", "dvectors"), n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(
        f"unknown embedding {spec!r}{guess}; expected egemaps, compare, byols, byols:FILE, "
        "dvectors, hf:ORG/NAME or hf:FOLDER, model:NAME, or a table: FILE.npy, .parquet, .csv"
    )
