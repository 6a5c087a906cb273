"""ELAN files: times, references, tiers without times, and XML that must not be trusted."""

from __future__ import annotations

import pytest

from cuelens import InputError
from cuelens.units import read_labels, read_tiers

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
  <HEADER TIME_UNITS="milliseconds"/>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="100"/>
    <TIME_SLOT TIME_SLOT_ID="ts2"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="700"/>
    <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="1234"/>
  </TIME_ORDER>
  <TIER TIER_ID="words">
    <ANNOTATION>
      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
        <ANNOTATION_VALUE>Grüß &amp; Gott</ANNOTATION_VALUE>
      </ALIGNABLE_ANNOTATION>
    </ANNOTATION>
    <ANNOTATION>
      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
        <ANNOTATION_VALUE>ja</ANNOTATION_VALUE>
      </ALIGNABLE_ANNOTATION>
    </ANNOTATION>
  </TIER>
  <TIER TIER_ID="gloss" PARENT_REF="words">
    <ANNOTATION>
      <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a2">
        <ANNOTATION_VALUE>yes</ANNOTATION_VALUE>
      </REF_ANNOTATION>
    </ANNOTATION>
  </TIER>
  <TIER TIER_ID="morphs" PARENT_REF="words">
    <ANNOTATION>
      <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1">
        <ANNOTATION_VALUE>Grüß</ANNOTATION_VALUE>
      </REF_ANNOTATION>
    </ANNOTATION>
    <ANNOTATION>
      <REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a4">
        <ANNOTATION_VALUE>Gott</ANNOTATION_VALUE>
      </REF_ANNOTATION>
    </ANNOTATION>
  </TIER>
</ANNOTATION_DOCUMENT>
"""


def written(tmp_path, content):
    file = tmp_path / "clip.eaf"
    file.write_text(content, "utf-8")
    return file


def test_tiers(tmp_path):
    file = written(tmp_path, EAF)
    assert read_tiers(file) == {
        "words": ((0.1, 0.4, "Grüß & Gott"), (0.7, 1.234, "ja")),  # ts2: halfway from 0.1 to 0.7
        "gloss": ((0.7, 1.234, "yes"),),
    }
    assert read_labels(file, tier="gloss") == ((0.7, 1.234, "yes"),)
    with pytest.raises(InputError, match="no tier “morphs” of intervals with times of their own"):
        read_labels(file, tier="morphs")


def test_entities_are_refused(tmp_path):
    bomb = EAF.replace(
        "<ANNOTATION_DOCUMENT",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n<ANNOTATION_DOCUMENT',
        1,
    )
    with pytest.raises(InputError, match="line 2: declares a document type"):
        read_tiers(written(tmp_path, bomb))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('TIME_VALUE="700"', 'TIME_VALUE="0.7"', "time slot ts3 is '0.7'; expected whole millisec"),
        ('TIME_SLOT_REF2="ts4"', 'TIME_SLOT_REF2="ts9"', "line 17: “ja” has no time"),
        ('"milliseconds"', '"PAL-frames"', "times are in PAL-frames; expected milliseconds"),
        ('"UTF-8"', '"utf-99"', "not XML"),
        ('"UTF-8"', '"shift_jis"', "not XML"),
        ('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a9"', "line 24: “yes” has no time"),
        ('TIME_VALUE="1234"', 'TIME_VALUE="650"', "line 17: “ja” goes from 0.7 to 0.65 s"),
        ("</TIER>", "", "not XML"),
        ("TIME_SLOT ", "SLOT ", "no time slots; expected an annotation file of ELAN"),
    ],
)
def test_wrong_files_say_where(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        read_tiers(written(tmp_path, EAF.replace(old, new)))


def eaf(slots, tiers, header=""):
    """A file of time slots, and of tiers: name, parent, annotations."""
    lines = [f'<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">{header}</HEADER>']
    lines += ["<TIME_ORDER>"]
    for name, value in slots.items():
        time = "" if value is None else f' TIME_VALUE="{value}"'
        lines.append(f'<TIME_SLOT TIME_SLOT_ID="{name}"{time}/>')
    lines.append("</TIME_ORDER>")
    for name, parent, listed in tiers:
        lines.append(f'<TIER TIER_ID="{name}"' + (f' PARENT_REF="{parent}">' if parent else ">"))
        for identifier, at, text in listed:
            kind, where = (
                ("REF", f'ANNOTATION_REF="{at}"')
                if isinstance(at, str)
                else ("ALIGNABLE", f'TIME_SLOT_REF1="{at[0]}" TIME_SLOT_REF2="{at[1]}"')
            )
            lines.append(
                f'<ANNOTATION><{kind}_ANNOTATION ANNOTATION_ID="{identifier}" {where}>'
                f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></{kind}_ANNOTATION></ANNOTATION>"
            )
        lines.append("</TIER>")
    return "\n".join([*lines, "</ANNOTATION_DOCUMENT>"])


def test_slots_without_a_time_lie_evenly_in_their_own_tier(tmp_path):
    """Slots of another tier between them in the time order do not matter (ELAN's display)."""
    slots = {"a": 0, "x1": 10, "b": None, "x2": 20, "e": None, "c": None, "x3": 30, "d": 900}
    tiers = [
        ("sentence", None, [("1", ("a", "d"), "abc")]),
        ("noise", None, [("2", ("x1", "x2"), "n"), ("3", ("x2", "x3"), "m")]),
        ("parts", "words", [("7", ("b", "e"), "b1"), ("8", ("e", "c"), "b2")]),
        (
            "words",
            "sentence",
            [("4", ("a", "b"), "a"), ("5", ("b", "c"), "b"), ("6", ("c", "d"), "c")],
        ),
    ]
    file = written(tmp_path, eaf(slots, tiers))
    assert read_labels(file) == ((0.0, 0.3, "a"), (0.3, 0.6, "b"), (0.6, 0.9, "c"))
    assert read_labels(file, tier="noise") == ((0.01, 0.02, "n"), (0.02, 0.03, "m"))
    # the parts of a word share out the word, whose own times are shares of the sentence
    assert read_labels(file, tier="parts") == ((0.3, 0.45, "b1"), (0.45, 0.6, "b2"))


def test_a_slot_at_the_end_of_a_tier_has_no_time(tmp_path):
    slots = {"a": 0, "b": None, "c": 500}
    tiers = [("open", None, [("1", ("a", "b"), "x")]), ("words", None, [("2", ("a", "c"), "ja")])]
    file = written(tmp_path, eaf(slots, tiers))
    assert read_labels(file) == ((0.0, 0.5, "ja"),)
    with pytest.raises(InputError, match="“x” has no time"):
        read_labels(file, tier="open")


def test_nested_references(tmp_path):
    slots = {"a": 100, "b": 400, "c": 800}
    tiers = [
        ("words", None, [("1", ("a", "b"), "ja"), ("2", ("b", "c"), "sagte")]),
        ("morphs", "words", [("3", "2", "sag"), ("4", "2", "te")]),
        ("gloss of morphs", "morphs", [("5", "3", "say"), ("6", "4", "PAST")]),
        ("gloss of one morph", "morphs", [("7", "4", "PAST")]),
        ("gloss", "words", [("8", "2", "said")]),
        ("comment", "gloss", [("9", "8", "!")]),
    ]
    file = written(tmp_path, eaf(slots, tiers))
    assert read_tiers(file) == {
        "words": ((0.1, 0.4, "ja"), (0.4, 0.8, "sagte")),
        "gloss": ((0.4, 0.8, "said"),),
        "comment": ((0.4, 0.8, "!"),),
    }
    for name in ("morphs", "gloss of morphs", "gloss of one morph"):
        with pytest.raises(InputError, match=f"no tier “{name}” of intervals with times of their"):
            read_labels(file, tier=name)


def test_a_bad_tier_costs_the_others_nothing(tmp_path):
    slots = {"a": 0, "b": 400, "c": "0.7", "d": 300}
    tiers = [
        ("words", None, [("1", ("a", "b"), "ja")]),
        ("turned", None, [("2", ("b", "d"), "x")]),
        ("fraction", None, [("3", ("a", "c"), "x")]),
        ("lost", None, [("4", ("a", "q"), "x")]),
        ("orphan", "words", [("5", "99", "x")]),
        ("double", None, [("6", ("a", "b"), "x"), ("7", ("d", "b"), "y")]),
    ]
    file = written(tmp_path, eaf(slots, tiers))
    assert read_labels(file) == ((0.0, 0.4, "ja"),)
    wrong = {
        "turned": "goes from 0.4 to 0.3 s",
        "fraction": "time slot c is '0.7'; expected whole milliseconds",
        "lost": "“x” has no time",
        "orphan": "“x” has no time",
        "double": "“y” starts at 0.3 s, before “x”",
    }
    for name, message in wrong.items():
        with pytest.raises(InputError, match=message):
            read_labels(file, tier=name)
    with pytest.raises(InputError, match=r"goes from 0.4 to 0.3 s"):
        read_tiers(file)


def test_times_count_from_the_origin_of_the_recording(tmp_path):
    """ELAN shows its 0 where the medium is at TIME_ORIGIN."""
    tiers = [("words", None, [("1", ("a", "b"), "ja")])]
    media = "".join(
        f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/data/{name}" TIME_ORIGIN="{origin}"/>'
        for name, origin in (("talk%20one.wav", 1500), ("camera.mp4", 250))
    )
    file = written(tmp_path, eaf({"a": 100, "b": 400}, tiers, media))
    assert read_labels(file, recording="talk one") == ((1.6, 1.9, "ja"),)
    assert read_labels(file, recording="camera") == ((0.35, 0.65, "ja"),)
    with pytest.raises(InputError, match=r"at different times \(talk%20one.wav 1.5 s, camera.mp4"):
        read_labels(file, recording="other")
    single = '<MEDIA_DESCRIPTOR MEDIA_URL="x.mp4" TIME_ORIGIN="-50"/>'
    file = written(tmp_path, eaf({"a": 100, "b": 400}, tiers, single))
    assert read_labels(file, recording="other") == ((0.05, 0.35, "ja"),)
    file = written(tmp_path, eaf({"a": 100, "b": 400}, tiers, single.replace("-50", "soon")))
    with pytest.raises(InputError, match=r"time origin of x.mp4 is 'soon'; expected whole milli"):
        read_labels(file)
