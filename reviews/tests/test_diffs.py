"""Diffs taken apart: what is shown of them, and what is said of the rest."""

import pytest

from reviews.diffs import MAX_FILES, MAX_LINE, MAX_LINES, MAX_TEXT, cut, parse_diff

GIT = """diff --git a/hooks/install.py b/hooks/install.py
index 1..2 100644
--- a/hooks/install.py
+++ b/hooks/install.py
@@ -1,2 +1,3 @@ def install
 import os
-run(1)
+run(2)
+done()
"""
BAZAAR = """=== modified file 'README'
--- README\t2015-01-01 00:00:00 +0000
+++ README\t2015-01-02 00:00:00 +0000
@@ -1,1 +1,1 @@
-old
+new
"""


def lines_of(diff):
    return [line for file in diff.files for hunk in file.hunks for line in hunk.lines]


def file_of(path, *lines):
    return f"--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)


def test_counts_lines_of_a_git_diff():
    (file,) = parse_diff(GIT).files
    assert (file.path, file.added, file.removed) == ("hooks/install.py", 2, 1)


def test_reads_a_bazaar_diff():
    assert [file.path for file in parse_diff(BAZAAR).files] == ["README"]


def test_a_line_has_its_place_in_the_whole_diff():
    assert [line.number for line in lines_of(parse_diff(GIT))] == [6, 7, 8, 9]


def test_lines_have_their_numbers_before_and_after():
    assert [(line.old, line.new) for line in lines_of(parse_diff(GIT))] == [(1, 1), (2, None), (None, 2), (None, 3)]


def test_code_is_coloured_by_the_name_of_its_file():
    assert 'class="hl-' in lines_of(parse_diff(GIT))[0].html


def test_code_is_escaped_in_a_language_that_is_known():
    assert "<script>" not in lines_of(parse_diff(file_of("x.py", "<script>alert(1)</script>")))[0].html


def test_code_is_escaped_in_a_language_that_is_not():
    assert lines_of(parse_diff(file_of("x", "<b>")))[0].html == "&lt;b&gt;"


@pytest.mark.parametrize(("code", "shown"), [("\x1b[31m", "␛[31m"), ("a\u202eb", "a[U+202E]b"), ("a\rb", "a␍b")])
def test_what_would_act_on_a_terminal_or_browser_is_made_visible(code, shown):
    assert lines_of(parse_diff(file_of("x", code)))[0].html == shown


def test_windows_line_ends_are_no_part_of_the_line():
    assert lines_of(parse_diff(file_of("x", "a\r")))[0].html == "a"


def test_a_file_without_newline_at_its_end_is_read():
    diff = parse_diff(
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
    )
    assert [(line.sign, line.html) for line in lines_of(diff)] == [("-", "a"), ("+", "b")]


def test_a_binary_file_is_named_as_one():
    (file,) = parse_diff(
        "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n"
    ).files
    assert (file.path, file.what) == ("p.png", "binary")


def test_of_three_thousand_files_all_are_named_and_some_shown():
    diff = parse_diff("".join(file_of(f"f{number}", "x") for number in range(3000)))
    assert (len(diff.files), sum(bool(file.hunks) for file in diff.files)) == (3000, MAX_FILES)


def test_what_is_not_shown_is_said():
    diff = parse_diff("".join(file_of(f"f{number}", "x") for number in range(MAX_FILES + 7)))
    assert diff.notes == ["The lines of 7 of 307 files are not shown here, or not all of them."]


def test_no_more_lines_are_shown_than_a_page_holds():
    assert len(lines_of(parse_diff(file_of("x", *["y"] * (MAX_LINES + 10))))) == MAX_LINES


def test_a_line_is_bounded():
    assert len(lines_of(parse_diff(file_of("x", "y" * 100_000)))[0].html) == MAX_LINE


def test_a_path_of_four_thousand_characters_is_bounded():
    assert len(parse_diff(file_of("p" * 4000, "x")).files[0].path) == 300


def test_a_diff_in_one_huge_hunk_is_cut_and_still_read():
    kept, was_cut = cut(file_of("x.py", *["y = 1"] * 300_000))
    assert was_cut
    assert len(kept) <= MAX_TEXT
    assert len(lines_of(parse_diff(kept, was_cut=True))) == MAX_LINES


def test_a_cut_diff_says_so():
    assert "rest of it is on Launchpad" in parse_diff(GIT, was_cut=True).notes[0]


@pytest.mark.parametrize("text", ["hello", "--- a\n+++ b\n@@ -1,5 +1,5 @@\n a\n", "@@ -1 +1 @@\n-a\n+b\n"])
def test_what_is_no_diff_is_shown_as_it_came(text):
    diff = parse_diff(text)
    assert (diff.files, diff.plain) == ([], text.translate({10: "\n"}))


def test_nothing_is_a_diff_without_files():
    assert parse_diff("").files == []


def test_comments_stand_at_their_lines():
    diff = parse_diff(GIT, comments={7: ["Why?"]})
    assert [line.comments for line in lines_of(diff)] == [(), ["Why?"], (), ()]


def test_the_same_change_elsewhere_in_the_file_has_the_same_digest():
    moved = GIT.replace("@@ -1,2 +1,3 @@", "@@ -11,2 +11,3 @@")
    assert parse_diff(GIT).files[0].digest == parse_diff(moved).files[0].digest


def test_another_change_has_another_digest():
    assert parse_diff(GIT).files[0].digest != parse_diff(GIT.replace("run(2)", "run(3)")).files[0].digest
