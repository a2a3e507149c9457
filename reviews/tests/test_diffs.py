"""Diffs taken apart: what is shown of them, and what is said of the rest."""

import pytest

from reviews.diffs import MAX_FILES, MAX_LINE, MAX_LINES, MAX_TEXT, cut, parse_diff, summarize

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

=== added file 'a/empty'
=== renamed file 'a/old' => 'a/new'
=== modified file 'b/run' (properties changed: -x to +x)
=== modified file 'a/code.py'
--- a/code.py\t2015-01-01 00:00:00 +0000
+++ a/code.py\t2015-01-02 00:00:00 +0000
@@ -1,1 +1,1 @@
-old
+new

=== removed directory 'gone'
"""


def lines_of(diff):
    return [line for file in diff.files for hunk in file.hunks for line in hunk.lines]


def file_of(path, *lines):
    return f"--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)


def summary_of(text):
    (file,) = parse_diff(text).files
    return file.summary


def test_counts_lines_of_a_git_diff():
    file = summary_of(GIT)
    assert (file.path, file.added, file.removed) == ("hooks/install.py", 2, 1)


def test_reads_a_bazaar_diff_with_its_files_that_have_no_lines():
    assert [(file.summary.path, file.summary.what, file.summary.old_path) for file in parse_diff(BAZAAR).files] == [
        ("README", "", ""), ("a/empty", "new", ""), ("a/new", "renamed", "a/old"), ("b/run", "", ""),
        ("a/code.py", "", ""), ("gone", "deleted (directory)", ""),
    ]  # fmt: skip


def test_a_line_between_two_files_is_not_shown():
    assert [line.html for line in lines_of(parse_diff(BAZAAR))] == ["old", "new", "old", "new"]


def test_a_line_has_its_place_in_the_whole_diff():
    assert [line.number for line in lines_of(parse_diff(GIT))] == [6, 7, 8, 9]


def test_lines_have_their_numbers_before_and_after():
    assert [(line.old, line.new) for line in lines_of(parse_diff(GIT))] == [(1, 1), (2, None), (None, 2), (None, 3)]


def test_code_is_coloured_by_the_name_of_its_file():
    assert lines_of(parse_diff(GIT))[0].html == '<span class="hl-k">import</span> os'


def test_code_is_coloured_by_the_program_that_its_first_line_names():
    lines = lines_of(parse_diff(file_of("hooks/install", "#!/usr/bin/env python3", "import os")))
    assert lines[1].html == '<span class="hl-k">import</span> os'


def test_text_in_several_lines_is_coloured_in_each():
    diff = parse_diff(file_of("x.py", '"""One', 'two"""'))
    assert [line.html for line in lines_of(diff)] == [
        '<span class="hl-s">&quot;&quot;&quot;One</span>', '<span class="hl-s">two&quot;&quot;&quot;</span>'
    ]  # fmt: skip


def test_code_is_escaped_in_a_language_that_is_known():
    assert "<script>" not in lines_of(parse_diff(file_of("x.py", "<script>alert(1)</script>")))[0].html


def test_code_is_escaped_in_a_language_that_is_not():
    assert lines_of(parse_diff(file_of("x", "<b>")))[0].html == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("code", "shown"),
    [("\x1b[31m", "␛[31m"), ("a\u202eb", "a[U+202E]b"), ("a\rb", "a␍b"), ("a\u2066b", "a[U+2066]b"),
     ("a\u200bb", "a[U+200B]b"), ("a\u0085b", "a[U+0085]b"), ("a\fb\vc", "a␌b␋c")],
)  # fmt: skip
def test_what_would_act_on_a_terminal_or_browser_is_made_visible(code, shown):
    assert lines_of(parse_diff(file_of("x", code)))[0].html == shown


def test_windows_line_ends_are_no_part_of_the_line_and_said():
    (line,) = lines_of(parse_diff(file_of("x", "a\r")))
    assert (line.html, line.ending) == ("a", "ends with CR LF")


def test_a_missing_newline_at_the_end_is_said_of_its_line():
    diff = parse_diff("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n")
    assert [(line.sign, line.html, line.ending) for line in lines_of(diff)] == [
        ("-", "a", "no newline at the end"), ("+", "b", "")
    ]  # fmt: skip


def test_a_binary_file_is_named_as_one():
    file = summary_of("diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n")
    assert (file.path, file.what) == ("p.png", "binary")


def test_a_binary_file_of_bazaar_is_named_as_one():
    file = summary_of("=== added file 'p.png'\nBinary files p.png\t1970-01-01 and p.png\t2015-01-02 differ\n")
    assert (file.path, file.what) == ("p.png", "new, binary")


def test_a_binary_file_that_changed_once_more_has_another_digest():
    diffs = [f"diff --git a/p b/p\nindex 1..{n} 100644\nBinary files a/p and b/p differ\n" for n in (2, 3)]
    assert summary_of(diffs[0]).digest != summary_of(diffs[1]).digest


def test_a_binary_patch_of_git_is_not_shown():
    text = "diff --git a/p b/p\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZQz\n\nliteral 0\nHcmV?d\n\n" + GIT
    assert [(file.summary.path, file.summary.what) for file in parse_diff(text).files] == [
        ("p", "binary"), ("hooks/install.py", "")
    ]  # fmt: skip


def test_a_change_of_mode_is_said():
    file = summary_of("diff --git a/run b/run\nold mode 100644\nnew mode 100755\n")
    assert (file.path, file.mode) == ("run", "mode 100644 to 100755")


def test_a_change_of_mode_in_bazaar_is_said():
    assert parse_diff(BAZAAR).files[3].summary.mode == "mode -x to +x"


def test_a_renamed_file_says_its_old_name():
    text = "diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n"
    file = summary_of(text)
    assert (file.path, file.old_path, file.what) == ("new", "old", "renamed")


@pytest.mark.parametrize(
    ("header", "what"),
    [("new file mode 100644", "new"), ("deleted file mode 100644", "deleted"), ("new file mode 120000", "new, symlink"),
     ("new file mode 160000", "new, submodule")],
)  # fmt: skip
def test_new_and_deleted_files_are_named_as_such(header, what):
    assert summary_of(f"diff --git a/x b/x\n{header}\nindex 1..2\n").what == what


def test_a_path_that_git_quotes_is_read():
    assert summary_of('diff --git "a/b\\303\\244r" "b/b\\303\\244r"\nold mode 100644\nnew mode 100755\n').path == "bär"


def test_of_three_thousand_files_all_are_named_and_some_shown():
    diff = parse_diff("".join(file_of(f"f{number}", "x") for number in range(3000)))
    assert (len(diff.files), sum(bool(file.hunks) for file in diff.files)) == (3000, MAX_FILES)


def test_what_is_not_shown_is_said():
    diff = parse_diff("".join(file_of(f"f{number}", "x") for number in range(MAX_FILES + 7)))
    assert diff.notes == ["The lines of 7 of 307 files are not shown here, or not all of them."]


def test_no_more_lines_are_shown_than_a_page_holds():
    assert len(lines_of(parse_diff(file_of("x", *["y"] * (MAX_LINES + 10))))) == MAX_LINES


def test_a_file_whose_lines_are_not_all_shown_says_so():
    (file,) = parse_diff(file_of("x", *["y"] * (MAX_LINES + 10))).files
    assert file.left_out.startswith("The rest of this file is not shown")


def test_a_line_is_bounded():
    assert len(lines_of(parse_diff(file_of("x", "y" * 100_000)))[0].html) == MAX_LINE


def test_where_code_is_not_coloured_any_more_it_is_said():
    diff = parse_diff(file_of("x.py", *["import os  # " + "y" * 100] * 3000))
    assert ["hl-k" in lines_of(diff)[number].html for number in (0, -1)] == [True, False]
    assert diff.notes[-1] == "Only the first 100,000 characters are in colours."


def test_a_path_of_four_thousand_characters_is_bounded():
    assert len(summary_of(file_of("p" * 4000, "x")).path) == 300


def test_two_files_of_the_same_shortened_path_have_their_own_anchors():
    diff = parse_diff(file_of("p" * 4000, "x") + file_of("p" * 4000 + "q", "x"))
    assert len({file.anchor for file in diff.files}) == 2


def test_a_diff_in_one_huge_hunk_is_cut_and_still_read():
    kept, was_cut = cut(file_of("x.py", *["y = 1"] * 300_000))
    assert was_cut
    assert len(kept) <= MAX_TEXT
    assert len(lines_of(parse_diff(kept, is_cut=True))) == MAX_LINES


def test_a_diff_that_is_cut_anywhere_shows_what_is_whole():
    text = GIT + BAZAAR
    whole = lines_of(parse_diff(text))
    for length in range(1, len(text)):
        kept, _ = cut(text, length)
        shown = [line.html for line in lines_of(parse_diff(kept))]
        assert shown == [line.html for line in whole if line.number <= kept.count("\n")][: len(shown)], length
        assert len(shown) >= sum(line.number <= kept.count("\n") for line in whole), length


def test_a_cut_diff_says_so():
    assert parse_diff(GIT, is_cut=True, length=52_400_000).notes[0] == (
        "The diff has 52.4 MB, of which the beginning is shown here. Launchpad has the whole."
    )


def test_files_behind_the_end_of_a_cut_diff_are_named():
    diff = parse_diff(GIT, summarize(GIT + file_of("more", "x")), is_cut=True)
    assert [(file.summary.path, file.left_out) for file in diff.files] == [
        ("hooks/install.py", ""), ("more", "Not shown: the diff is too long.")
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["hello", "--- a\n+++ b\n@@ -1,5 +1,5 @@\n a\n", "@@ -1 +1 @@\n-a\n+b\n"])
def test_what_is_no_diff_is_shown_as_it_came(text):
    diff = parse_diff(text)
    assert (diff.files, diff.plain) == ([], text)


def test_nothing_is_a_diff_without_files():
    assert parse_diff("").files == []


def test_comments_stand_at_their_lines():
    diff = parse_diff(GIT, comments={7: ["Why?"]})
    assert [line.comments for line in lines_of(diff)] == [(), ["Why?"], (), ()]


def test_comments_on_lines_that_are_not_shown_stand_at_the_end_of_their_file():
    text = GIT + file_of("y", *["z"] * (MAX_LINES + 10))
    diff = parse_diff(text, comments={text.count("\n"): ["Too long."], 5: ["The header."]})
    assert [file.comments for file in diff.files] == [["The header."], ["Too long."]]


def test_comments_on_no_file_stand_at_the_end_of_the_page():
    assert parse_diff("hello", comments={1: ["Why?"]}).comments == ["Why?"]


def test_the_same_change_elsewhere_in_the_file_has_the_same_digest():
    moved = GIT.replace("@@ -1,2 +1,3 @@", "@@ -11,2 +11,3 @@")
    assert summary_of(GIT).digest == summary_of(moved).digest


def test_another_change_has_another_digest():
    assert summary_of(GIT).digest != summary_of(GIT.replace("run(2)", "run(3)")).digest


def test_files_that_changed_since_the_reader_looked_are_open_and_the_others_folded():
    text = GIT + file_of("new", "x") + file_of("same", "x")
    seen = {file.path: file.digest for file in summarize(GIT.replace("run(2)", "run(1)") + file_of("same", "x"))}
    assert [(file.summary.path, file.is_changed, file.is_folded) for file in parse_diff(text, seen=seen).files] == [
        ("hooks/install.py", True, False), ("new", True, False), ("same", False, True)
    ]  # fmt: skip


def test_for_a_reader_who_saw_nothing_before_nothing_is_marked():
    assert [(file.is_changed, file.is_folded) for file in parse_diff(GIT).files] == [(False, False)]


def test_a_long_file_begins_folded():
    (file,) = parse_diff(file_of("x", *["y"] * 401)).files
    assert file.is_folded


def test_a_file_with_comments_is_never_folded():
    (file,) = parse_diff(GIT, seen={"hooks/install.py": summary_of(GIT).digest}, comments={7: ["Why?"]}).files
    assert not file.is_folded
