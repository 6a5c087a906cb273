"""Make the demo clips that ship with cuelens: a sentence, said neutrally and with feeling.

espeak-ng speaks a sentence; the WORLD vocoder [1]_ takes it apart into F0, spectral envelope and
aperiodicity, and puts it together again at the settings of one emotion.  Sentence and voice stay
the same, so a clip differs from its neutral one in the settings written in ``clips.json`` and in
nothing else.  The same settings give the same samples::

    pip install "cuelens[synth]"
    python scripts/make_demo_clips.py            # writes src/cuelens/demo_clips
    python scripts/make_demo_clips.py --check    # makes them again and compares the samples

References
----------
.. [1] M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
   system for real-time applications", IEICE Trans. Information and Systems E99-D(7), 2016.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from cuelens.errors import CuelensError, MissingExtraError
from cuelens.vocoder import load_world

Array = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]

FOLDER = Path(__file__).resolve().parents[1] / "src" / "cuelens" / "demo_clips"
SAMPLE_RATE = 16_000  # Hz
FRAME_S = 0.005  # WORLD's step
EDGE_S = 0.15  # silence before and after the speech
PEAK_DBFS = -1.0  # of the loudest clip
NOISE_FLOOR_DBFS = -65.0  # RMS of the white noise that stands for a quiet room
SOUNDING = 1e-3  # of full scale: where espeak-ng's speech begins and ends
GAP_REACH_S = 0.06  # how far from a word's start its stop closure is looked for
PAUSE_GAIN = 1e-4  # of the sound inside an inserted pause
PAUSE_RAMP_S = 0.02


def _setting(unit: str, default: float) -> Any:
    return field(default=default, metadata={"unit": unit})


@dataclass(frozen=True, kw_only=True)
class VoiceSettings:
    """How a sentence is said; the defaults are the neutral clip.

    Parameters
    ----------
    f0_level_st : float, semitones
        Mean F0 of the voiced frames against espeak-ng's own.
    f0_range_factor : float
        Of the F0 movements in semitones around the sentence's straight line.
    f0_slope_st_per_s : float, semitones/s
        Slope of that line, in absolute terms.
    tempo_factor : float
        Above 1 is faster.
    tilt_db_per_octave : float, dB/octave
        Added to espeak-ng's spectrum, 0 dB at 1 kHz.  Below 0 in the neutral clip, because
        espeak-ng is about 10 dB brighter than people who speak calmly.
    level_db : float, dB
        RMS of the speech, pauses left out, against the neutral clip.
    jitter_percent : float, % of F0
        Standard deviation of independent Gaussian changes of F0 every 5 ms.
    breathiness : float, 0 to 1
        Raises WORLD's aperiodicity this share of the way to 1, at every frequency.
    pause_s : float, s
        Silence inserted at the sentence's gap.
    """

    f0_level_st: float = _setting("semitones", 0.0)
    f0_range_factor: float = _setting("factor", 1.0)
    f0_slope_st_per_s: float = _setting("semitones/s", -0.5)
    tempo_factor: float = _setting("factor", 1.0)
    tilt_db_per_octave: float = _setting("dB/octave", -3.5)
    level_db: float = _setting("dB", 0.0)
    jitter_percent: float = _setting("% of F0", 0.5)
    breathiness: float = _setting("share", 0.0)
    pause_s: float = _setting("s", 0.0)


# Signs: Juslin & Laukka 2003, Murray & Arnott 1993 and Scherer 2003 where they agree; where they
# contradict each other, what EmoDB's actors do, or no change.  Sizes: about the means over EmoDB's
# speakers against their own neutral speech (F0: anger +8.6, fear +5.9, happiness +7.8, sadness -2.7
# semitones; alpha ratio of voiced frames: +9.5, +3.3, +5.9, -4.0 dB).
EMOTIONS = {
    "neutral": VoiceSettings(),
    "anger": VoiceSettings(
        f0_level_st=8.0,
        f0_range_factor=1.4,
        f0_slope_st_per_s=0.3,
        tempo_factor=1.1,
        tilt_db_per_octave=0.5,
        level_db=6.0,
        jitter_percent=1.5,
        breathiness=0.1,
    ),
    "fear": VoiceSettings(
        f0_level_st=6.0,
        f0_range_factor=0.9,
        f0_slope_st_per_s=0.3,
        tempo_factor=1.2,
        tilt_db_per_octave=-2.0,
        jitter_percent=1.5,
    ),
    "happiness": VoiceSettings(
        f0_level_st=7.5,
        f0_range_factor=1.7,
        f0_slope_st_per_s=0.5,
        tilt_db_per_octave=-1.0,
        level_db=4.0,
        jitter_percent=0.2,
    ),
    "sadness": VoiceSettings(
        f0_level_st=-2.5,
        f0_range_factor=0.4,
        f0_slope_st_per_s=-1.0,
        tempo_factor=0.8,
        tilt_db_per_octave=-5.5,
        level_db=-6.0,
        pause_s=0.25,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A sentence in one espeak-ng voice.

    Parameters
    ----------
    name : str
        Begins the clips' file names.
    language : str
    text : str
    voice : str
        espeak-ng's language and variant.  Variants with ``breath`` draw fresh noise at every run.
    gap_word : int
        A pause goes before this word, counted from 0.
    f0_floor_hz, f0_ceil_hz : float, Hz
        Where F0 is searched.
    emotions : tuple of str
    words_per_minute, pitch_range : int
        espeak-ng's rate and its liveliness, 0 to 100 (its own default, 50, is flatter than people).
    """

    name: str
    language: str
    text: str
    voice: str
    gap_word: int
    f0_floor_hz: float
    f0_ceil_hz: float
    emotions: tuple[str, ...]
    words_per_minute: int = 175
    pitch_range: int = 80


GERMAN = "Am Sonntag fahren wir ohne Eile nach Bremen."
ENGLISH = "On Monday we are going to Berlin by train."
# Spoken in this order: espeak-ng's noise runs on from one utterance to the next.
SPEAKERS = (
    Speaker(
        name="de_female",
        language="de",
        text=GERMAN,
        voice="de+f1",
        gap_word=7,
        f0_floor_hz=110.0,
        f0_ceil_hz=330.0,
        emotions=("neutral", "anger", "fear", "happiness", "sadness"),
    ),
    Speaker(
        name="de_male",
        language="de",
        text=GERMAN,
        voice="de+m6",
        gap_word=7,
        f0_floor_hz=60.0,
        f0_ceil_hz=200.0,
        emotions=("neutral", "anger", "sadness"),
    ),
    Speaker(
        name="en_male",
        language="en",
        text=ENGLISH,
        voice="en-us+m6",
        gap_word=8,
        f0_floor_hz=60.0,
        f0_ceil_hz=200.0,
        emotions=("neutral", "happiness"),
    ),
)


# espeak-ng: the part of speak_lib.h that is needed


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_int64),  # a union of 8 bytes
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_END_OF_LIST, _WORD = 0, 1
_SYNCHRONOUS, _RATE, _VOLUME, _RANGE, _CHARACTERS, _UTF8 = 2, 1, 2, 4, 1, 1


class Espeak:
    """espeak-ng from the wheel ``espeakng-loader``, handing over its samples.

    One a process: the noise of a later utterance goes on where the earlier one left off.

    Raises
    ------
    MissingExtraError
        ``espeakng-loader`` is not installed.
    CuelensError
        The library does not start.
    """

    def __init__(self) -> None:
        try:
            loader = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise MissingExtraError("speaking the demo sentences", "synth") from error
        self._library = ctypes.CDLL(loader.get_library_path())
        data = str(loader.get_data_path()).encode()
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 500, data, 0))
        if self.sample_rate <= 0:
            raise CuelensError(
                f"espeak-ng did not start (code {self.sample_rate}) with the data in "
                f"{data.decode()}; expected a sample rate: install espeakng-loader again"
            )
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(ctypes.byref(ctypes.c_char_p())).decode()

    def speak(self, speaker: Speaker) -> tuple[Array, list[float]]:
        """Say a speaker's sentence.

        Returns
        -------
        samples : ndarray, shape (n_samples,), float64, values in [-1, 1]
            At ``self.sample_rate``.
        word_starts_s : list of float, s
        """
        blocks: list[Pcm] = []
        word_starts_s: list[float] = []

        def receive(pcm: Any, n_samples: int, events: Any) -> int:
            if pcm and n_samples > 0:
                blocks.append(np.ctypeslib.as_array(pcm, (n_samples,)).copy())
            i = 0
            while events[i].type != _END_OF_LIST:
                if events[i].type == _WORD:
                    word_starts_s.append(events[i].audio_position_ms / 1000)
                i += 1
            return 0

        callback = _CALLBACK(receive)  # kept alive until espeak_Synth returns
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetVoiceByName(speaker.voice.encode()) != 0:
            raise CuelensError(
                f"espeak-ng {self.version} has no voice {speaker.voice!r}; expected one of its "
                "languages, and a variant after '+'"
            )
        self._library.espeak_SetParameter(_RATE, speaker.words_per_minute, 0)
        self._library.espeak_SetParameter(_VOLUME, 60, 0)  # of 100: at 100 some vowels clip
        self._library.espeak_SetParameter(_RANGE, speaker.pitch_range, 0)
        text = speaker.text.encode() + b"\0"
        code = self._library.espeak_Synth(text, len(text), 0, _CHARACTERS, 0, _UTF8, None, None)
        if code != 0 or not blocks:
            raise CuelensError(f"espeak-ng {self.version} gave no sound (code {code})")
        return np.concatenate(blocks) / 32768.0, word_starts_s


# WORLD


@dataclass(frozen=True, kw_only=True)
class Voiceprint:
    """What WORLD hears in one utterance, frame by frame.

    Parameters
    ----------
    f0_hz : ndarray, shape (n_frames,), float64, Hz
        0 where unvoiced.
    log_envelope : ndarray, shape (n_frames, n_bins), float64
        Natural logarithm of the power envelope.
    aperiodicity : ndarray, shape (n_frames, n_bins), float64, values in [0, 1]
    gap_s : float, s
        Where a pause may go.
    """

    f0_hz: Array
    log_envelope: Array
    aperiodicity: Array
    gap_s: float


def analyse(speaker: Speaker, *, espeak: Espeak, world: ModuleType) -> Voiceprint:
    """Have a sentence spoken and take it apart; ``EDGE_S`` of silence at both ends."""
    spoken, word_starts_s = espeak.speak(speaker)
    sounding = np.flatnonzero(np.abs(spoken) > SOUNDING)
    first, last = int(sounding[0]), int(sounding[-1]) + 1
    samples = soxr.resample(spoken[first:last], espeak.sample_rate, SAMPLE_RATE, quality="VHQ")
    edge = round(EDGE_S * SAMPLE_RATE)
    samples = np.pad(samples, edge)

    step_ms = FRAME_S * 1000
    coarse, times = world.dio(
        samples, SAMPLE_RATE, speaker.f0_floor_hz, speaker.f0_ceil_hz, frame_period=step_ms
    )
    f0_hz = world.stonemask(samples, coarse, times, SAMPLE_RATE)
    envelope = world.cheaptrick(samples, f0_hz, times, SAMPLE_RATE)
    aperiodicity = world.d4c(samples, f0_hz, times, SAMPLE_RATE)

    # The quietest frame beside the word boundary: the closure of a stop, by choice of the sentence.
    word_s = EDGE_S + word_starts_s[speaker.gap_word] - first / espeak.sample_rate
    near = np.flatnonzero(np.abs(times - word_s) <= GAP_REACH_S)
    gap_s = float(times[near[np.argmin(envelope[near].sum(axis=1))]])
    return Voiceprint(
        f0_hz=f0_hz,
        log_envelope=np.log(envelope + 1e-16),
        aperiodicity=aperiodicity,
        gap_s=gap_s,
    )


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A clip before it gets its level.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,), float64
    speech : ndarray, shape (n_samples,), bool
        Neither edge nor inserted pause.
    pause : tuple of float or None, s
        Start and end of the inserted pause.
    """

    samples: Array
    speech: npt.NDArray[np.bool_]
    pause: tuple[float, float] | None


def render(
    voiceprint: Voiceprint, settings: VoiceSettings, *, world: ModuleType, seed: int
) -> Rendering:
    """Put an utterance together again at the settings of an emotion.

    Parameters
    ----------
    voiceprint : Voiceprint
    settings : VoiceSettings
    world : module
        From `load_world`.
    seed : int
        Of the jitter.

    Returns
    -------
    Rendering
    """
    # Time: corresponding moments of the clip and of the utterance; a pause stands still.
    source_end_s = (len(voiceprint.f0_hz) - 1) * FRAME_S
    source_s = np.array(
        [0.0, EDGE_S, voiceprint.gap_s, voiceprint.gap_s, source_end_s - EDGE_S, source_end_s]
    )
    before_s, after_s = np.diff(source_s)[[1, 3]] / settings.tempo_factor
    clip_s = np.cumsum([0.0, EDGE_S, before_s, settings.pause_s, after_s, EDGE_S])
    times = FRAME_S * np.arange(int(clip_s[-1] / FRAME_S) + 1, dtype=np.float64)
    position = np.interp(times, clip_s, source_s) / FRAME_S

    f0_hz = _shape_f0(voiceprint.f0_hz, position, times, settings, seed)
    log_envelope = _at(voiceprint.log_envelope, position)
    aperiodicity = _at(voiceprint.aperiodicity, position)

    bins_hz = np.linspace(0.0, SAMPLE_RATE / 2, log_envelope.shape[1])
    octaves = np.log2(np.maximum(bins_hz, 50.0) / 1000.0)
    log_envelope += settings.tilt_db_per_octave * octaves * np.log(10) / 10
    aperiodicity += settings.breathiness * (1.0 - aperiodicity)
    pause = (float(clip_s[2]), float(clip_s[3])) if settings.pause_s > 0 else None
    if pause:
        corners_s = pause[0], pause[0] + PAUSE_RAMP_S, pause[1] - PAUSE_RAMP_S, pause[1]
        depth = np.interp(times, corners_s, (0.0, 1.0, 1.0, 0.0))
        log_envelope += 2 * np.log(PAUSE_GAIN) * depth[:, np.newaxis]
        f0_hz[depth > 0] = 0.0

    samples = world.synthesize(
        f0_hz, np.exp(log_envelope), aperiodicity, SAMPLE_RATE, frame_period=FRAME_S * 1000
    )
    n_samples = round(clip_s[-1] * SAMPLE_RATE)
    samples = np.pad(samples, (0, max(0, n_samples - len(samples))))[:n_samples]
    at_s = np.arange(n_samples) / SAMPLE_RATE
    speech = (at_s >= EDGE_S) & (at_s < clip_s[-2])
    if pause:
        speech &= (at_s < pause[0]) | (at_s >= pause[1])
    return Rendering(samples=samples, speech=speech, pause=pause)


def _at(frames: Array, position: Array) -> Array:
    """Frames at fractional positions, linearly between neighbours."""
    low = np.clip(position.astype(int), 0, len(frames) - 2)
    share = (position - low)[:, np.newaxis]
    return np.asarray(frames[low] * (1 - share) + frames[low + 1] * share)


def _shape_f0(
    f0_hz: Array, position: Array, times: Array, settings: VoiceSettings, seed: int
) -> Array:
    voiced_frames = np.flatnonzero(f0_hz > 0)
    semitones = np.interp(position, voiced_frames, 12 * np.log2(f0_hz[voiced_frames]))
    voiced = f0_hz[np.round(position).astype(int)] > 0

    slope, intercept = np.polyfit(times[voiced], semitones[voiced], 1)
    movement = semitones - (slope * times + intercept)
    mean_st = semitones[voiced].mean() + settings.f0_level_st
    line = mean_st + settings.f0_slope_st_per_s * (times - times[voiced].mean())
    shaped = 2 ** ((line + settings.f0_range_factor * movement) / 12)
    jitter = np.random.default_rng(seed).standard_normal(len(times))
    shaped *= 1 + settings.jitter_percent / 100 * jitter
    return np.where(voiced, shaped, 0.0)


# Clips


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A finished clip and what it was made from."""

    speaker: Speaker
    emotion: str
    seed: int
    samples: Pcm
    pause: tuple[float, float] | None

    @property
    def file(self) -> str:
        """Name of the clip's file."""
        return f"{self.speaker.name}_{self.emotion}.flac"

    def record(self) -> dict[str, Any]:
        """Describe the clip: its entry in ``clips.json``."""
        settings = EMOTIONS[self.emotion]
        speaker = asdict(self.speaker)
        return {
            "file": self.file,
            "speaker": speaker["name"],
            "language": speaker["language"],
            "text": speaker["text"],
            "voice": speaker["voice"],
            "words_per_minute": speaker["words_per_minute"],
            "pitch_range": speaker["pitch_range"],
            "emotion": self.emotion,
            "duration_s": len(self.samples) / SAMPLE_RATE,
            "settings": {
                setting.name: {
                    "value": getattr(settings, setting.name),
                    "unit": setting.metadata["unit"],
                }
                for setting in fields(settings)
            },
            "pauses": [
                {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}
                for start_s, end_s in ([self.pause] if self.pause else [])
            ],
            "seed": self.seed,
            "samples_sha256": samples_sha256(self.samples),
        }


def samples_sha256(samples: Pcm) -> str:
    """SHA-256 of the samples as little-endian 16-bit integers."""
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def make_clips() -> tuple[list[Clip], dict[str, str]]:
    """Synthesise every clip.

    Returns
    -------
    clips : list of Clip
    versions : dict of str to str
        Of the programs that made them.

    Raises
    ------
    MissingExtraError
        ``espeakng-loader`` or ``pyworld`` is not installed.
    """
    espeak, world = Espeak(), load_world()
    jobs: list[tuple[Speaker, str, int, Rendering]] = []
    for speaker in SPEAKERS:
        voiceprint = analyse(speaker, espeak=espeak, world=world)
        for emotion in speaker.emotions:
            seed = len(jobs)
            jobs.append(
                (
                    speaker,
                    emotion,
                    seed,
                    render(voiceprint, EMOTIONS[emotion], world=world, seed=seed),
                )
            )

    levelled = []
    for _, emotion, _, rendering in jobs:
        rms = np.sqrt(np.mean(rendering.samples[rendering.speech] ** 2))
        levelled.append(rendering.samples * 10 ** (EMOTIONS[emotion].level_db / 20) / rms)
    gain = 10 ** (PEAK_DBFS / 20) / max(float(np.abs(samples).max()) for samples in levelled)

    clips = []
    for (speaker, emotion, seed, rendering), samples in zip(jobs, levelled, strict=True):
        room = np.random.default_rng([seed, 1]).standard_normal(len(samples))
        sound = gain * samples + 10 ** (NOISE_FLOOR_DBFS / 20) * room
        clips.append(
            Clip(
                speaker=speaker,
                emotion=emotion,
                seed=seed,
                samples=np.round(sound * 32767).astype(np.int16),
                pause=rendering.pause,
            )
        )
    versions = {
        "espeak-ng": espeak.version,
        "espeakng-loader": importlib.metadata.version("espeakng-loader"),
        "pyworld": importlib.metadata.version("pyworld"),
    }
    return clips, versions


def write_clips(folder: Path, clips: Sequence[Clip], versions: dict[str, str]) -> None:
    """Write the FLAC files and ``clips.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        soundfile.write(folder / clip.file, clip.samples, SAMPLE_RATE, subtype="PCM_16")
    content = {
        "schema_version": 1,
        "made_by": "scripts/make_demo_clips.py",
        "versions": versions,
        "sample_rate_hz": SAMPLE_RATE,
        "peak_dbfs": PEAK_DBFS,
        "noise_floor_dbfs": NOISE_FLOOR_DBFS,
        "edge_s": EDGE_S,
        "clips": [clip.record() for clip in clips],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "clips.json").write_text(text + "\n", encoding="utf-8")


def compare(folder: Path, fresh: Path) -> list[str]:
    """List what differs between two folders of clips, one line a difference."""
    try:
        old, new = (
            json.loads((path / "clips.json").read_text(encoding="utf-8"))
            for path in (folder, fresh)
        )
    except (OSError, ValueError) as error:
        return [f"{folder / 'clips.json'}: cannot be read ({error})"]
    differences = []
    if old["versions"] != new["versions"]:
        differences.append(f"made with {old['versions']}, installed are {new['versions']}")
    if [clip["file"] for clip in old["clips"]] != [clip["file"] for clip in new["clips"]]:
        return [*differences, "the lists of clips differ"]
    for was, now in zip(old["clips"], new["clips"], strict=True):
        differences += [
            f"{was['file']}: {key} is {was.get(key)!r}, expected {now[key]!r}"
            for key in now
            if key != "samples_sha256" and was.get(key) != now[key]
        ]
        try:
            shipped = soundfile.read(folder / was["file"], dtype="int16")[0]
        except soundfile.LibsndfileError as error:
            differences.append(f"{was['file']}: cannot be read ({error.error_string})")
            continue
        made = soundfile.read(fresh / was["file"], dtype="int16")[0]
        if samples_sha256(shipped) != was["samples_sha256"]:
            differences.append(f"{was['file']}: the samples are not those that clips.json names")
        if len(shipped) != len(made):
            differences.append(f"{was['file']}: {len(shipped)} samples, expected {len(made)}")
        elif not np.array_equal(shipped, made):
            steps = int(np.abs(shipped.astype(int) - made).max())
            differences.append(f"{was['file']}: samples differ by up to {steps} of 32768 steps")
    return differences


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the demo clips with espeak-ng and WORLD.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the clips")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; make the clips again and compare"
    )
    options = parser.parse_args(arguments)
    try:
        clips, versions = make_clips()
    except CuelensError as error:
        print(f"make_demo_clips: {error}", file=sys.stderr)
        return 2
    if not options.check:
        write_clips(options.out, clips, versions)
        for clip in clips:
            print(f"{clip.file:28} {len(clip.samples) / SAMPLE_RATE:.2f} s")
        return 0
    with tempfile.TemporaryDirectory() as fresh:
        write_clips(Path(fresh), clips, versions)
        differences = compare(options.out, Path(fresh))
    for line in differences:
        print(line, file=sys.stderr)
    print(f"{len(clips)} clips: {'different' if differences else 'the same samples'}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
