"""What is in a corpus, and what in it could mislead a model or an explanation."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cuelens.audio import Audio, load_audio
from cuelens.corpora.corpus import Corpus
from cuelens.errors import CuelensWarning, InputError

EQUAL_LENGTH_SHARE = 0.5  # more clips than this of one exact length: cut or padded
SAME_PEAK_SHARE = 0.9  # more clips than this with one peak: normalised file by file
PADDING_S = 0.1  # a longer run of exact zeros at the end is no recording
PADDED_SHARE = 0.05  # fewer clips than this that end in zeros: single takes, not a habit
LEVEL_DIFFERENCE_DB = 6.0  # between the median levels of two emotions: worth knowing
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, kw_only=True, eq=False)
class CorpusCheck:
    """Findings of `check_corpus`; lengths and levels are of the clips that could be read.

    Parameters
    ----------
    name, licence : str
    n_clips : int
        Rows of the table.
    counts : pandas.DataFrame
        Number of clips, one row per speaker ("unknown" for clips without), one column per
        emotion.
    sample_rates, channels : dict of int to int
        Clips per sample rate (Hz) and per number of channels.
    total_s, min_s, median_s, max_s : float
        Duration of all clips together, and of the shortest, middle and longest; NaN if no clip
        can be read.
    commonest_length_s, commonest_length_share : float
        The exact length that most clips share, and the share of clips (0 to 1) that have it.
    n_padded : int
        Clips that end in more than 0.1 s of exact zeros.
    level_db : dict of str to float
        Per emotion, the median over clips of the RMS level, dB below full scale.
    same_peak_share : float
        Share of clips (0 to 1) whose peak is the commonest one (to 0.1 dB).
    duplicates : tuple of tuple of str
        Groups of clips whose decoded sound is the same, sample by sample.
    missing : tuple of str
        Files that are not there.
    unreadable : dict of str to str
        Clip to the reason why it cannot be used.
    missing_emotions : dict of str to tuple of str
        Speaker to the emotions of the corpus that this speaker never has.
    warnings : tuple of str
        What to know before using the corpus, one plain sentence each, the gravest first.
    """

    name: str
    licence: str
    n_clips: int
    counts: pd.DataFrame
    sample_rates: dict[int, int]
    channels: dict[int, int]
    total_s: float
    min_s: float
    median_s: float
    max_s: float
    commonest_length_s: float
    commonest_length_share: float
    n_padded: int
    level_db: dict[str, float]
    same_peak_share: float
    duplicates: tuple[tuple[str, ...], ...]
    missing: tuple[str, ...]
    unreadable: dict[str, str]
    missing_emotions: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Every clip is there and can be read."""
        return not self.missing and not self.unreadable


@dataclass(frozen=True, kw_only=True)
class _Clip:
    """What is kept of a clip that was read."""

    name: str
    emotion: str
    sample_rate: int
    channels: int
    n_samples: int
    padding_s: float
    peak_db: float
    rms_db: float
    too_loud: bool
    digest: bytes


def check_corpus(
    corpus: Corpus, *, progress: Callable[[int, int], None] | None = None
) -> CorpusCheck:
    """Read every clip of a corpus and report what is in it.

    Each file is read once; 1200 clips take some seconds.

    Parameters
    ----------
    corpus : Corpus
    progress : callable, optional
        Called with the number of clips done and the number of clips.
    """
    clips: list[_Clip] = []
    missing: list[str] = []
    unreadable: dict[str, str] = {}
    done = 0
    for file, rows in corpus.table.groupby("file", sort=False):
        path = Path(str(file))
        if not path.is_file():
            missing.append(str(path))
        else:
            try:
                audio, n_channels = _read(path)
            except InputError as error:
                unreadable[str(path)] = str(error).removeprefix(f"{path}: ")
            else:
                for row in rows.itertuples():
                    start_s, end_s = float(str(row.start)), float(str(row.end))
                    whole = start_s == 0 and np.isnan(end_s)
                    name = str(path) if whole else f"{path} from {start_s:g} to {end_s:g} s"
                    try:
                        part = audio if whole else _part(audio, start_s, end_s)
                    except InputError as error:
                        unreadable[name] = str(error).removeprefix(f"{path}: ")
                    else:
                        clips.append(_measure(part, name, str(row.emotion), n_channels))
        done += len(rows)
        if progress is not None:
            progress(done, len(corpus))

    length_s, length_share = _commonest([c.n_samples / c.sample_rate for c in clips])
    _, same_peak_share = _commonest([round(c.peak_db, 1) for c in clips])
    durations = np.array([c.n_samples / c.sample_rate for c in clips])
    level_db = {
        emotion: float(np.median([c.rms_db for c in clips if c.emotion == emotion]))
        for emotion in corpus.emotions
        if any(c.emotion == emotion for c in clips)
    }
    speaker = corpus.table["speaker"].fillna("unknown")
    counts = pd.crosstab(speaker, corpus.table["emotion"])
    missing_emotions = {
        str(name): tuple(str(e) for e in counts.columns[row == 0])
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
        if (row == 0).any()
    }
    found = CorpusCheck(
        name=corpus.name,
        licence=corpus.licence,
        n_clips=len(corpus),
        counts=counts,
        sample_rates=dict(sorted(Counter(c.sample_rate for c in clips).items())),
        channels=dict(sorted(Counter(c.channels for c in clips).items())),
        total_s=float(durations.sum()),
        min_s=float(durations.min()) if clips else float("nan"),
        median_s=float(np.median(durations)) if clips else float("nan"),
        max_s=float(durations.max()) if clips else float("nan"),
        commonest_length_s=length_s,
        commonest_length_share=length_share,
        n_padded=sum(c.padding_s > PADDING_S for c in clips),
        level_db=level_db,
        same_peak_share=same_peak_share,
        duplicates=_duplicates(clips),
        missing=tuple(missing),
        unreadable=unreadable,
        missing_emotions=missing_emotions,
        warnings=(),
    )
    n_too_loud = sum(c.too_loud for c in clips)
    return replace(found, warnings=tuple(_warnings(corpus, found, len(clips), n_too_loud)))


def _read(path: Path) -> tuple[Audio, int]:
    import soundfile  # imported when needed: start-up time

    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise InputError("a Git LFS pointer, not the sound: run `git lfs pull`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CuelensWarning)  # too loud: counted instead
        audio = load_audio(path, sample_rate=None)
    return audio, soundfile.info(str(path)).channels


def _part(audio: Audio, start_s: float, end_s: float) -> Audio:
    first = round(start_s * audio.sample_rate)
    last = audio.samples.size if np.isnan(end_s) else round(end_s * audio.sample_rate)
    if last > audio.samples.size + audio.sample_rate // 100:
        raise InputError(f"ends beyond the recording, which lasts {audio.duration_s:.3f} s")
    return Audio(
        samples=audio.samples[first:last],
        sample_rate=audio.sample_rate,
        source=audio.source,
        notes=audio.notes,
    )


def _measure(audio: Audio, name: str, emotion: str, n_channels: int) -> _Clip:
    samples = audio.samples
    last = int(np.flatnonzero(samples)[-1])  # Audio is never silent
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    content = hashlib.blake2b(samples.tobytes(), digest_size=16)
    content.update(str(audio.sample_rate).encode())
    return _Clip(
        name=name,
        emotion=emotion,
        sample_rate=audio.sample_rate,
        channels=n_channels,
        n_samples=samples.size,
        padding_s=(samples.size - 1 - last) / audio.sample_rate,
        peak_db=20 * float(np.log10(np.abs(samples).max())),
        rms_db=20 * float(np.log10(rms)),
        too_loud=any(note.startswith("scaled") for note in audio.notes),
        digest=content.digest(),
    )


def _commonest(values: list[float]) -> tuple[float, float]:
    """The commonest value and the share of values that are equal to it."""
    if not values:
        return float("nan"), float("nan")
    value, n = Counter(values).most_common(1)[0]
    return value, n / len(values)


def _duplicates(clips: list[_Clip]) -> tuple[tuple[str, ...], ...]:
    groups: dict[bytes, list[str]] = {}
    for clip in clips:
        groups.setdefault(clip.digest, []).append(clip.name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _warnings(corpus: Corpus, found: CorpusCheck, n_read: int, n_too_loud: int) -> list[str]:
    """Plain sentences, the gravest first."""
    said: list[str] = []
    if found.missing:
        said.append(f"Missing: {_files(len(found.missing))}, such as {found.missing[0]}.")
    if found.unreadable:
        clip, reason = next(iter(found.unreadable.items()))
        said.append(f"Cannot be used: {_clips(len(found.unreadable))}, such as {clip}: {reason}.")
    if n_read > 1 and found.commonest_length_share > EQUAL_LENGTH_SHARE:
        said.append(
            f"{found.commonest_length_share:.0%} of the clips are exactly "
            f"{found.commonest_length_s:g} s long: they are cut or padded copies, so speaking "
            "rate, pauses and the final pitch contour cannot be measured on them."
        )
    if found.n_padded > PADDED_SHARE * n_read:
        said.append(
            f"Digital silence of more than {PADDING_S:g} s ends {_clips(found.n_padded)}; no "
            "microphone records that: they were padded or gated."
        )
    if found.duplicates:
        n = sum(len(group) for group in found.duplicates)
        said.append(
            f"{_clips(n)} have the same sound as another one, such as "
            f"{' and '.join(found.duplicates[0][:2])}: keep one of each group."
        )
    if n_too_loud:
        said.append(f"Beyond full scale, and scaled down on reading: {_clips(n_too_loud)}.")
    unknown = int(corpus.table["speaker"].isna().sum())
    if unknown:
        said.append(f"Speaker unknown: {_clips(unknown)}; no split can keep speakers apart.")
    elif len(corpus.speakers) == 1:
        said.append("All clips are of one speaker: no split can keep speakers apart.")
    if found.missing_emotions and not unknown:
        first, absent = next(iter(found.missing_emotions.items()))
        said.append(
            f"Not every speaker has every emotion ({len(found.missing_emotions)} of "
            f"{len(corpus.speakers)} do not): {first} lacks {', '.join(absent)}."
        )
    if len(found.sample_rates) > 1:
        rates = ", ".join(f"{n} at {rate} Hz" for rate, n in found.sample_rates.items())
        said.append(f"Sample rates differ ({rates}): a model may hear the recording, not the mood.")
    if n_read > 1 and found.same_peak_share > SAME_PEAK_SHARE:
        said.append(
            f"{found.same_peak_share:.0%} of the clips have the same peak: they were normalised "
            "one by one, so how loud people spoke is lost."
        )
    elif len(found.level_db) > 1:
        loud = max(found.level_db, key=lambda emotion: found.level_db[emotion])
        soft = min(found.level_db, key=lambda emotion: found.level_db[emotion])
        if found.level_db[loud] - found.level_db[soft] > LEVEL_DIFFERENCE_DB:
            said.append(
                f"Level alone separates emotions: {loud} is at {found.level_db[loud]:.0f} dB, "
                f"{soft} at {found.level_db[soft]:.0f} dB (median RMS below full scale); a model "
                "can use that, and normalising the level removes it."
            )
    return said


def _clips(n: int) -> str:
    return f"{n} clip" if n == 1 else f"{n} clips"


def _files(n: int) -> str:
    return f"{n} file" if n == 1 else f"{n} files"
