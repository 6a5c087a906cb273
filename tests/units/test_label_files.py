"""Label files of every format say the same; TextGrids are read as Praat reads them."""

from __future__ import annotations

import parselmouth
import pytest
from parselmouth.praat import call

from cuelens import InputError
from cuelens.units import read_labels, read_tiers
from cuelens.units.label_files import names_recordings

WORDS = [(0.1, 0.4, "ja"), (0.4, 0.75, 'sie "sagt"'), (0.9, 1.3, "Grüße")]
PHONES = [(0.1, 0.2, "j"), (0.2, 0.4, "a:")]


@pytest.fixture
def praat_grid():
    """Made by Praat, with a point tier between the others."""
    grid = call("Create TextGrid", 0.0, 1.5, "words events phones", "events")
    for tier, labels in ((1, WORDS), (3, PHONES)):
        edges = sorted({edge for start, end, _ in labels for edge in (start, end)})
        for edge in edges:
            call(grid, "Insert boundary", tier, edge)
        for start, end, name in labels:
            interval = call(grid, "Get interval at time", tier, (start + end) / 2)
            call(grid, "Set interval text", tier, interval, name)
    call(grid, "Insert point", 2, 0.33, "click")
    return grid


@pytest.mark.parametrize("command", ["Save as text file", "Save as short text file"])
@pytest.mark.parametrize("preference", ["UTF-8", "UTF-16"])
def test_text_grids_are_read_as_praat_writes_them(praat_grid, tmp_path, command, preference):
    parselmouth.praat.run(f'Text writing preferences: "{preference}"')
    file = tmp_path / "clip.TextGrid"
    call(praat_grid, command, str(file))
    parselmouth.praat.run('Text writing preferences: "try ASCII, then UTF-16"')
    assert (file.read_bytes()[:2] in (b"\xfe\xff", b"\xff\xfe")) == (preference == "UTF-16")
    assert read_tiers(file) == {"words": tuple(WORDS), "phones": tuple(PHONES)}
    assert read_labels(file, kind="phones") == tuple(PHONES)
    assert read_labels(file, kind="words") == tuple(WORDS)
    assert read_labels(file, tier="phones") == tuple(PHONES)


def text_grid(intervals, name="words"):
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "2", "<exists>", "1"]
    lines += ['"IntervalTier"', f'"{name}"', "0", "2", str(len(intervals))]
    for start, end, text in intervals:
        lines += [str(start), str(end), f'"{text}"']
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            text_grid([(0, 1, "a"), (0.9, 2, "b")]),
            r"line 18: “b” starts at 0.9 s, before “a” \(line",
        ),
        (text_grid([(1, 1, "a")]), r"line 15: “a” goes from 1 to 1 s; expected an end after"),
        (text_grid([(0, 1, "a")])[:-5], "ends before the text of an interval"),
        (text_grid([("x", 1, "a")]), r"line 15: found \"a\"; expected the end of an interval"),
        (text_grid([("1%", 1, "a")]), "line 13: the start of an interval is '1%'; expected a time"),
        ('"ooTextFile"\n"PitchTier"\n', "a Praat file of PitchTier; expected a TextGrid"),
    ],
)
def test_damaged_text_grids_say_where(tmp_path, content, message):
    file = tmp_path / "clip.TextGrid"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_tiers(file)


def test_silences_are_left_out_and_tiers_found_by_their_usual_names(tmp_path):
    file = tmp_path / "clip.TextGrid"
    file.write_text(text_grid([(0, 0.5, "<p:>"), (0.5, 1, "ja"), (1, 2, " ")], "ORT-MAU"), "utf-8")
    assert read_labels(file, kind="words") == ((0.5, 1.0, "ja"),)
    assert read_labels(file, kind="phones") == ((0.5, 1.0, "ja"),)  # the only tier there is


def test_unknown_tiers_are_listed(praat_grid, tmp_path):
    file = tmp_path / "clip.TextGrid"
    call(praat_grid, "Save as short text file", str(file))
    with pytest.raises(InputError, match=r"no tier “events” of intervals.*expected one of “words”"):
        read_labels(file, tier="events")
    with pytest.raises(InputError, match="called as syllables usually are, but “words”, “phones”"):
        read_labels(file, kind="syllables")


def test_a_bad_tier_of_a_text_grid_costs_the_others_nothing(tmp_path):
    file = tmp_path / "clip.TextGrid"
    bad = text_grid([(0, 1, "a"), (0.9, 2, "b")], "phones").splitlines()
    good = text_grid([(0, 2, "ja")]).splitlines()
    file.write_text("\n".join([*good[:6], "2", *good[7:], *bad[7:]]), "utf-8")
    assert read_labels(file) == ((0.0, 2.0, "ja"),)
    with pytest.raises(InputError, match=r"“b” starts at 0.9 s, before “a”"):
        read_labels(file, kind="phones")


def test_latin_1_is_refused(tmp_path):
    file = tmp_path / "clip.TextGrid"
    file.write_bytes(text_grid([(0, 1, "Grüße")]).encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8; expected UTF-8 or UTF-16"):
        read_tiers(file)


def test_tables(tmp_path):
    file = tmp_path / "clip.csv"
    file.write_text("\ufeffStart, End, Label\n0.4,0.75,b\n0.1,0.4,a\n0.75,0.9,\n", "utf-8")
    assert read_labels(file) == ((0.1, 0.4, "a"), (0.4, 0.75, "b"))
    file.write_text("tier;start;end;label\nphones;0.1;0.2;x\nwords;0.1;0.4;ja\n", "utf-8")
    assert read_labels(file, kind="phones") == ((0.1, 0.2, "x"),)
    file = tmp_path / "clip.tsv"
    file.write_text('start\tend\tlabel\n0\t1\t"a, b"\n', "utf-8")
    assert read_labels(file) == ((0.0, 1.0, "a, b"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("begin,end,label\n0,1,a\n", "line 1: columns are begin, end, label; expected start, end"),
        ("start,end,label\n0,1,a\n0.5s,1,b\n", "line 3: the start is '0.5s'; expected a time"),
        ("start,end,label\n0,1,a,b\n", "line 2: not as many columns as the header has"),
        (
            "start,end,label\n0,1,a\n0.5,2,b\n",
            r"line 3: “b” starts at 0.5 s, before “a” \(line 2\)",
        ),
        ("start,end,label\n0,nan,a\n", "line 2: the end is 'nan'"),
        ("start,end,label\n", "no tier of intervals with times"),
        ("start,end,label,end\n0,1,a,2\n", "start, end, label, end; expected every name once"),
        ("start,end,label\n0,1," + 200_000 * "a", "no table .*field larger than field limit"),
        ("start,end," + 200_000 * "a" + "\n", "no table .*field larger than field limit"),
    ],
)
def test_wrong_tables_say_where(tmp_path, content, message):
    file = tmp_path / "clip.csv"
    file.write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        read_labels(file)


def test_a_bad_tier_costs_the_others_nothing(tmp_path):
    file = tmp_path / "clip.csv"
    rows = ("words,0.1,0.4,ja", "words,0.4,0.9,so", "notes,0,1,x", "notes,0.5,2,y", "late,soon,2,z")
    file.write_text("\n".join(("tier,start,end,label", *rows)), "utf-8")
    assert read_labels(file) == ((0.1, 0.4, "ja"), (0.4, 0.9, "so"))
    with pytest.raises(InputError, match=r"line 5: “y” starts at 0.5 s, before “x” \(line 4\)"):
        read_labels(file, tier="notes")
    with pytest.raises(InputError, match="line 6: the start is 'soon'"):
        read_labels(file, tier="late")
    with pytest.raises(InputError, match="line 5: “y” starts"):
        read_tiers(file)


def test_tables_of_several_recordings(tmp_path):
    file = tmp_path / "all.csv"
    rows = ("a/x.wav,0,1,one", "a/y.wav,0.5,1.5,two", "a/y.wav,1.5,2,three")
    file.write_text("\n".join(("file,start,end,label", *rows)), "utf-8")
    assert read_labels(file, recording="x") == ((0.0, 1.0, "one"),)
    assert read_labels(file, recording="y") == ((0.5, 1.5, "two"), (1.5, 2.0, "three"))
    with pytest.raises(InputError, match=r"holds labels of a/x.wav, a/y.wav and not of “z”"):
        read_labels(file, recording="z")
    with pytest.raises(InputError, match=r"holds 2 recordings"):
        read_labels(file)
    file.write_text("file,start,end,label\na/x.wav,0,1,one\nb/x.flac,0,1,two\n", "utf-8")
    with pytest.raises(InputError, match=r"a/x.wav and b/x.flac are both named “x”"):
        read_labels(file, recording="x")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("all.ctm", "", True),
        ("all.csv", "File;start;end;label\n", True),
        ("all.csv", "start,end,label\n", False),
        ("all.csv", 200_000 * "a", False),
        ("all.TextGrid", "", False),
    ],
)
def test_files_that_name_their_recordings(tmp_path, name, content, named):
    (tmp_path / name).write_text(content, "utf-8")
    assert names_recordings(tmp_path / name) is named


CTM = ";; made by hand\nc1 1 0.10 0.30 ja 0.98\nc1 1 0.40 0.35 nein\n\nc2 A 0.00 0.50 so 1.0\n"


def test_ctm(tmp_path):
    file = tmp_path / "all.ctm"
    file.write_text(CTM, "utf-8")
    labels = read_labels(file, recording="c1")
    assert [label.name for label in labels] == ["ja", "nein"]
    assert [label.end_s for label in labels] == pytest.approx([0.4, 0.75])
    assert read_labels(file, recording="c2") == ((0.0, 0.5, "so"),)
    with pytest.raises(InputError, match=r"holds labels of c1, c2 and not of “c3”; expected the"):
        read_labels(file, recording="c3")
    with pytest.raises(InputError, match=r"holds 2 recordings \(c1, c2\); expected to be told"):
        read_labels(file)
    file.write_text("c1.wav 1 0.1 0.2 ja\n", "utf-8")
    assert len(read_labels(file)) == len(read_labels(file, recording="c1")) == 1
    with pytest.raises(InputError, match=r"holds labels of c1.wav and not of “c2”"):
        read_labels(file, recording="c2")
    file.write_text("c1 1 0.1 ja\n", "utf-8")
    with pytest.raises(InputError, match="line 1: 4 columns; expected recording, channel, start"):
        read_labels(file)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"unknown kind of label file; expected .textgrid, .eaf"):
        read_tiers(tmp_path / "labels.txt")
    with pytest.raises(InputError, match="no such file"):
        read_tiers(tmp_path / "labels.csv")
