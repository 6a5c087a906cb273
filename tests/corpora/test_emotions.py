from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuelens.corpora import ALIASES, CANONICAL, canonical_emotion
from cuelens.errors import InputError

# Written by hand from the label lists of the corpora and dictionaries, not from the map.
EXPECTED = {
    # RAVDESS, TESS, SAVEE, CREMA-D, IEMOCAP descriptions
    "Angry": "anger",
    "happy": "happiness",
    "Sad": "sadness",
    "fearful": "fear",
    "Fear": "fear",
    "surprised": "surprise",
    "ps": "surprise",
    "Pleasant_Surprise": "surprise",
    "pleasant-surprised": "surprise",
    "disgusted": "disgust",
    "calm": "calm",
    "NEUTRAL": "neutral",
    "bored": "boredom",
    "contempt": "contempt",
    "excited": "excitement",
    "frustrated": "frustration",
    "joy": "happiness",
    "anxiety/fear": "fear",
    # as found in published label files
    "Angray": "anger",
    "Superise": "surprise",
    "suprise": "surprise",
    # EmoDB's German words
    "Wut": "anger",
    "Ärger": "anger",
    "Aerger": "anger",
    "Langeweile": "boredom",
    "Ekel": "disgust",
    "Angst": "fear",
    "Freude": "happiness",
    "Trauer": "sadness",
    "Überraschung": "surprise",
    # French, Spanish, Italian
    "colère": "anger",
    "COLERE": "anger",
    "dégoût": "disgust",
    "peur": "fear",
    "joie": "happiness",
    "tristesse": "sadness",
    "neutre": "neutral",
    "ira": "anger",
    "asco": "disgust",
    "miedo": "fear",
    "alegría": "happiness",
    "tristeza": "sadness",
    "sorpresa": "surprise",
    "rabbia": "anger",
    "disgusto": "disgust",
    "paura": "fear",
    "gioia": "happiness",
    "tristezza": "sadness",
    "neutro": "neutral",
}


@pytest.mark.parametrize(("label", "emotion"), EXPECTED.items())
def test_label_has_its_emotion(label: str, emotion: str) -> None:
    assert canonical_emotion(label) == emotion


def test_canonical_names_are_the_twelve() -> None:
    assert " ".join(CANONICAL) == (
        "anger boredom calm contempt disgust excitement fear frustration happiness neutral "
        "sadness surprise"
    )


@given(
    emotion=st.sampled_from(CANONICAL),
    separators=st.lists(st.sampled_from(["", " ", "_", "-"]), min_size=12, max_size=12),
    upper=st.booleans(),
)
def test_case_and_separators_do_not_matter(
    emotion: str, separators: list[str], upper: bool
) -> None:
    label = "".join(a + b for a, b in zip(emotion, separators, strict=False))
    assert canonical_emotion(label.upper() if upper else label) == emotion


@pytest.mark.parametrize("label", ["W", "a", "su", "ANG", "05", "hap", "xxx", "oth"])
def test_codes_of_one_corpus_are_not_labels(label: str) -> None:
    with pytest.raises(InputError, match="unknown emotion label"):
        canonical_emotion(label)


@pytest.mark.parametrize("label", ["", "???", 3, None, float("nan")])
def test_what_is_no_word_is_refused(label: object) -> None:
    with pytest.raises(InputError, match="unknown emotion label"):
        canonical_emotion(label)  # type: ignore[arg-type]


def test_unknown_label_lists_the_known_ones_and_guesses() -> None:
    with pytest.raises(InputError, match="did you mean sadness") as caught:
        canonical_emotion("sadnness")
    message = str(caught.value)
    assert "\n" not in message
    assert all(emotion in message for emotion in CANONICAL)


def test_only_ps_is_a_short_code() -> None:
    assert {key for key in ALIASES if len(key) < 3} == {"ps"}
