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
        ('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a9"', "line 24: “yes” has no time"),
        ('TIME_VALUE="1234"', 'TIME_VALUE="650"', "line 17: “ja” goes from 0.7 to 0.65 s"),
        ("</TIER>", "", "not XML"),
        ("TIME_SLOT ", "SLOT ", "no time slots; expected an annotation file of ELAN"),
    ],
)
def test_wrong_files_say_where(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        read_tiers(written(tmp_path, EAF.replace(old, new)))
