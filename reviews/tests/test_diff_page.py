"""The page of a diff: fetched when somebody opens it, shown file by file, with what was said of its lines."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from reviews.diff_requests import MAX_WAITING
from reviews.diffs import summarize
from reviews.models import Diff, InlineComment, Review, Source, Visit
from reviews.tests.factories import make_person, make_review
from reviews.views.diff import MAX_COMMENTS, MAX_COMMENTS_TEXT

pytestmark = pytest.mark.django_db

URL = "https://api.launchpad.net/devel/~ada/x/+merge/7/+preview-diff/{}"
OPEN, FOLDED = '<details class="file" id="{}" open>', '<details class="file" id="{}">'


@pytest.fixture
def review():
    return make_review(revision="rev-1", diff_marker=URL.format(91))


@pytest.fixture
def enqueued(monkeypatch, django_capture_on_commit_callbacks):
    """What is asked of the workers."""
    names = []
    monkeypatch.setattr("reviews.diff_requests.enqueue_on_commit", lambda *call: names.append(call))
    return names


def text_of(**files):
    return "".join(
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-old {path}\n+{line}\n"
        for path, line in files.items()
    )


def make_diff(review, text, number=91, **fields):
    return Diff.objects.create(
        review=review, revision=fields.pop("revision", "rev-1"), url=URL.format(number), state="ready", text=text,
        length=len(text), files=[summary.to_json() for summary in summarize(text)], fetched_at=timezone.now(), **fields,
    )  # fmt: skip


def get_page(client, review, query=""):
    answer = client.get(f"/reviews/{review.pk}/diff/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_first_who_opens_it_has_it_fetched_and_is_told(client, review, enqueued):
    assert "The diff is being fetched from Launchpad" in get_page(client, review)
    diff = Diff.objects.get()
    assert (diff.state, diff.url, enqueued) == (
        "waiting", review.diff_marker, [("integrations.tasks.fetch_diff", diff.pk)]
    )  # fmt: skip


def test_others_who_open_it_meanwhile_do_not_ask_again(client, review, enqueued):
    get_page(client, review)
    get_page(client, review)
    assert len(enqueued) == 1


def test_a_message_that_was_lost_is_sent_again_after_a_minute(client, review, enqueued):
    get_page(client, review)
    Diff.objects.update(asked_at=timezone.now() - timedelta(seconds=61))
    get_page(client, review)
    assert len(enqueued) == 2


def test_asking_for_the_headers_only_fetches_nothing(client, review, enqueued):
    assert client.head(f"/reviews/{review.pk}/diff/").status_code == 200
    assert enqueued == []


def test_a_program_that_opens_every_page_does_not_fill_the_queue_of_the_workers(client, review, enqueued):
    Diff.objects.bulk_create(Diff(review=review, url=f"https://x/{n}") for n in range(MAX_WAITING))
    assert "Many diffs are being fetched at the moment" in get_page(client, review)
    assert enqueued == []


def test_a_diff_that_failed_says_why_and_offers_to_try_again(client, review, enqueued):
    Diff.objects.create(review=review, url=review.diff_marker, state="failed", problem="Launchpad answered <503>.")
    page = get_page(client, review)
    assert "The diff could not be fetched: Launchpad answered &lt;503&gt;." in page
    assert "Try again</button>" in page
    assert enqueued == []


def test_trying_again_has_it_fetched(client, review, enqueued):
    Diff.objects.create(review=review, url=review.diff_marker, state="failed", problem="x")
    answer = client.post(f"/reviews/{review.pk}/diff/")
    assert (answer.status_code, answer["Location"]) == (302, f"/reviews/{review.pk}/diff/")
    assert (Diff.objects.get().state, len(enqueued)) == ("waiting", 1)


def test_what_failed_long_ago_is_tried_again_when_somebody_opens_it(client, review, enqueued):
    then = timezone.now() - timedelta(minutes=11)
    Diff.objects.create(review=review, url=review.diff_marker, state="failed", problem="x", asked_at=then)
    get_page(client, review)
    assert len(enqueued) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "new", "test_url": "lp:~ada/x"}, "diffs of merge proposals only, and this is a bug"),
        ({"diff_marker": ""}, "Launchpad has made no diff of it yet"),
        ({"diff_marker": "tag:launchpad.net:2008:redacted"}, "does not show the diff of this proposal"),
    ],
)
def test_where_there_is_no_diff_it_is_said_why(client, review, enqueued, fields, words):
    Review.objects.update(**fields)
    assert words in get_page(client, review)
    assert enqueued == []


def test_a_bug_has_no_tab_for_a_diff(client):
    assert "/diff/" not in client.get(f"/reviews/{make_review(kind='new').pk}/").content.decode()


def test_the_tab_says_how_many_lines_change(client):
    review = make_review(lines_added=120, lines_removed=31)
    page = " ".join(client.get(f"/reviews/{review.pk}/").content.decode().split())
    assert f'<a href="/reviews/{review.pk}/diff/">Diff <span class="tab-note">+120 −31</span></a>' in page


def test_files_come_first_with_their_lines_counted(client, review):
    make_diff(review, text_of(a="x", b="y"))
    page = get_page(client, review)
    names = page[: page.index('<details class="file"')]
    assert ("2 files" in names, names.count('class="plus">+1<'), "+2" in names) == (True, 2, True)


def test_each_line_can_be_linked_to(client, review):
    make_diff(review, text_of(a="x"))
    page = get_page(client, review)
    anchor = page.split('<details class="file" id="')[1].split('"')[0]
    assert f'<tr id="{anchor}-o1" data-line="5" class="del"><td class="no"><a href="#{anchor}-o1">1</a>' in page
    assert f'<tr id="{anchor}-1" data-line="6" class="add"><td class="no"><td class="no"><a href="#{anchor}-1">' in page


def test_hostile_text_is_text(client, review):
    evil = "<script>alert(1)</script>"
    make_diff(review, text_of(**{evil: evil}).replace(" @@\n", f" @@ {evil}\n"))
    assert evil not in get_page(client, review)


def test_what_is_no_diff_is_shown_as_text(client, review):
    make_diff(review, "<b>no diff</b>")
    assert '<pre class="plain-diff">&lt;b&gt;no diff&lt;/b&gt;</pre>' in get_page(client, review)


def test_an_empty_diff_says_so(client, review):
    make_diff(review, "")
    assert "The diff is empty" in get_page(client, review)


def test_a_binary_file_says_so(client, review):
    make_diff(review, "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n")
    assert "A binary file: there are no lines to show." in get_page(client, review)


def test_a_file_without_changed_lines_says_so(client, review):
    make_diff(review, "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n")
    page = get_page(client, review)
    assert ("No line of it changes." in page, "mode 100644 to 100755" in page) == (True, True)


def test_a_diff_of_an_older_revision_says_so(client, review):
    make_diff(review, text_of(a="x"))
    Review.objects.update(revision="rev-2")
    assert "This diff is of an older revision." in get_page(client, review)


def test_a_new_diff_on_launchpad_is_fetched(client, review, enqueued):
    make_diff(review, text_of(a="x"), number=90)
    assert "is being fetched" in get_page(client, review)
    assert len(enqueued) == 1


def say(review, line, text="Why?", number=91):
    return InlineComment.objects.create(
        review=review, diff_number=number, line=line, author=make_person("eve"), text=text, at=timezone.now()
    )


def test_a_comment_stands_below_its_line(client, review):
    make_diff(review, text_of(a="x"))
    say(review, 5, "<b>Why?</b>")
    page = get_page(client, review)
    assert page.index('data-line="5"') < page.index("&lt;b&gt;Why?&lt;/b&gt;") < page.index('data-line="6"')


def test_a_comment_on_a_line_that_is_not_shown_stands_at_the_end_of_its_file(client, review):
    make_diff(review, text_of(a="x", b="y"))
    say(review, 1)
    page = get_page(client, review)
    assert page.index("On lines that are not shown here:") < page.index("Why?") < page.rindex('<details class="file"')


def test_comments_on_earlier_diffs_are_folded_at_the_end(client, review):
    make_diff(review, text_of(a="x"))
    say(review, 5, number=90)
    page = get_page(client, review)
    assert "1 comment on earlier diffs" in page
    assert page.index("1 comment on earlier diffs") < page.index("Why?")


def test_many_comments_on_earlier_diffs_hide_none_on_this_one(client, review):
    make_diff(review, text_of(a="x"))
    author, at = make_person("eve"), timezone.now()
    InlineComment.objects.bulk_create(
        InlineComment(review=review, diff_number=90, line=line, author=author, text="Old", at=at)
        for line in range(1, MAX_COMMENTS + 1)
    )
    say(review, 5)
    page = get_page(client, review)
    assert "Why?" in page
    assert f"{MAX_COMMENTS - 1} comments on earlier diffs" in page
    assert "There are more comments on lines than are shown here" in page


def test_endless_comments_are_left_on_launchpad(client, review):
    make_diff(review, text_of(a="x"))
    for _ in range(4):
        say(review, 5, "Why? " * (MAX_COMMENTS_TEXT // 15))
    page = get_page(client, review)
    assert page.count('class="inline-comment"') == 3
    assert f'<a href="{review.url}" rel="noopener nofollow">read them on Launchpad</a>' in page


def anchors(page):
    return [part.split('"')[0] for part in page.split('<details class="file" id="')[1:]]


def test_what_changed_since_the_reader_looked_is_marked_and_the_rest_folded(client, reviewer, review):
    make_diff(review, text_of(a="x", b="y"))
    first, second = anchors(get_page(client, review))
    make_diff(review, text_of(a="x", b="z"), number=92)
    Review.objects.update(diff_marker=URL.format(92))
    page = get_page(client, review)
    assert (FOLDED.format(first) in page, OPEN.format(second) in page) == (True, True)
    assert '<span class="again">1 changed since you looked</span>' in page


def test_marks_stay_when_the_page_is_loaded_again(client, reviewer, review):
    make_diff(review, text_of(a="x", b="y"))
    get_page(client, review)
    make_diff(review, text_of(a="x", b="z"), number=92)
    Review.objects.update(diff_marker=URL.format(92))
    assert "1 changed since you looked" in get_page(client, review)
    assert "1 changed since you looked" in get_page(client, review)


def test_marks_go_when_the_reader_comes_back_another_day(client, reviewer, review):
    make_diff(review, text_of(a="x", b="y"))
    get_page(client, review)
    make_diff(review, text_of(a="x", b="z"), number=92)
    Review.objects.update(diff_marker=URL.format(92))
    get_page(client, review)
    Visit.objects.update(diff_at=timezone.now() - timedelta(hours=5))
    page = get_page(client, review)
    assert ("since you looked" in page, page.count('class="file" id="') == page.count(" open>") - 1) == (False, True)


def test_all_files_can_be_opened(client, reviewer, review):
    make_diff(review, text_of(a="x", b="y"))
    get_page(client, review)
    make_diff(review, text_of(a="x", b="z"), number=92)
    Review.objects.update(diff_marker=URL.format(92))
    assert '<a href="?all=open">Open all files</a>' in get_page(client, review)
    page = get_page(client, review, "?all=open")
    assert all(OPEN.format(anchor) in page for anchor in anchors(page))


def test_for_a_visitor_nothing_is_marked_or_written_down(client, review):
    make_diff(review, text_of(a="x"))
    assert "since you looked" not in get_page(client, review)
    assert not Visit.objects.exists()


@pytest.mark.parametrize("count", [1, 40])
def test_six_queries_however_much_there_is(client, reviewer, review, settings, django_assert_max_num_queries, count):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci/job/charms/", "token"  # else a notice asks for it
    make_diff(review, text_of(**{f"f{n}": "x" for n in range(count)}))
    for n in range(count):
        say(review, 5 + 6 * n)
    with django_assert_max_num_queries(6):
        get_page(client, review)
    with django_assert_max_num_queries(5):
        get_page(client, review)


def test_the_diff_of_a_private_item_is_not_there_for_others(client, review, enqueued):
    source = Source.objects.create(name="p", kind="project", target="p", private_items="reviewers")
    Review.objects.update(private=True, source=source)
    assert client.get(f"/reviews/{review.pk}/diff/").status_code == 404
    assert enqueued == []


def test_a_huge_diff_is_a_page_of_bounded_length(client, review):
    long = "".join(f"+{'y' * 150}\n" for _ in range(6000))
    diff = make_diff(
        review, f"--- a/x.py\n+++ b/x.py\n@@ -0,0 +1,6000 @@\n{long}" + text_of(**{f"f{n}": "x" for n in range(900)})
    )
    Diff.objects.update(is_cut=True, length=52_000_000)
    page = get_page(client, review)
    assert len(page) < 3_000_000
    assert "The diff has 52.0 MB, of which the beginning is shown here." in page
    assert diff.files[-1]["path"] in page


def test_a_reader_is_found_whoever_looks(client, review):
    make_diff(review, text_of(a="x"))
    client.force_login(User.objects.create_user("bob"))
    get_page(client, review)
    visit = Visit.objects.get()
    assert (visit.user.username, visit.diff, visit.previous_diff) == ("bob", Diff.objects.get(), None)
