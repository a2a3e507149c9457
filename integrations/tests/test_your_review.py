"""Writing on a review's page: drafts, sending off, and what the page says of it (docs/specification.md, section 6)."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import TeamMembership
from integrations.models import LaunchpadConnection, OwnPost
from integrations.tests.own_posts import connect, make_user
from reviews.models import Comment, Diff, Review, ReviewRequest, Source, State
from reviews.tests.factories import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(db):
    now = timezone.now()
    return Review.objects.create(
        source=Source.objects.get(name="charmers"), kind="update", title="TLS for mysql", state=State.PENDING, number=7,
        url="https://code.launchpad.net/~bjorn/mysql/tls/+merge/7", launchpad_status="Needs review", revision="rev-1",
        api_url="https://api.launchpad.net/devel/~bjorn/mysql/tls/+merge/7", owner=make_person("bjorn"),
        created_at=now, updated_at=now, trusted=True,
    )  # fmt: skip


@pytest.fixture
def marta(client, item):
    user = make_user()
    connect(user)
    client.force_login(user)
    return user


def page_of(client, item):
    return client.get(item.get_absolute_url()).content.decode()


def fields(item, **more):
    return {"revision": item.revision, "launchpad_status": item.launchpad_status, "version": 0, "key": "a", **more}


def press(client, item, **more):
    """Press a button of the form. Returns the page that follows."""
    response = client.post(reverse("own-review", args=[item.pk]), fields(item, **more), follow=True)
    return response.content.decode()


def keep(client, item, text, **more):
    """What the script sends while somebody types."""
    data = fields(item, action="save", text=text, **more)
    return client.post(reverse("own-review", args=[item.pk]), data, headers={"accept": "application/json"})


def state_of(post):
    post.refresh_from_db()
    return post.state


# --- sending off --------------------------------------------------------------------------------------------------


def test_the_button_of_a_vote_sends_off_the_comment_and_the_vote(client, marta, item):
    page = press(client, item, text="Fine by me\r\nreally", vote="Approve")
    post = OwnPost.objects.get()
    assert (post.user, post.state, post.text, post.vote) == (marta, "waiting", "Fine by me\nreally", "Approve")
    assert "Being posted" in page


def test_a_form_that_is_sent_twice_posts_once(client, marta, item):
    press(client, item, text="Fine", vote="")
    press(client, item, text="Fine", vote="")
    assert OwnPost.objects.count() == 1


def test_the_same_from_another_tab_a_moment_later_is_not_posted_again(client, marta, item):
    press(client, item, text="Fine", vote="")
    page = press(client, item, text="Fine", vote="", key="b")
    assert OwnPost.objects.count() == 1
    assert "You have sent the same a moment ago" in page


def test_the_same_can_be_said_again_later(client, marta, item):
    press(client, item, text="Fine", vote="")
    OwnPost.objects.update(sent_at=timezone.now() - timedelta(hours=1), state="posted", posted_at=timezone.now())
    press(client, item, text="Fine", vote="", key="b")
    assert OwnPost.objects.count() == 2


def test_nothing_is_not_sent(client, marta, item):
    assert "There is nothing to post" in press(client, item, text=" \n", vote="")
    assert not OwnPost.objects.sent().exists()


def test_a_vote_on_a_revision_that_is_not_shown_any_more_is_kept_and_not_sent(client, marta, item):
    old = fields(item, text="Fine", vote="Approve")
    Review.objects.update(revision="rev-2")
    page = client.post(reverse("own-review", args=[item.pk]), old, follow=True).content.decode()
    assert "a new revision came since you opened this page" in page
    assert OwnPost.objects.drafts().get().text == "Fine"


def test_a_comment_alone_is_sent_whatever_revision_was_shown(client, marta, item):
    press(client, item, text="Fine", vote="", revision="rev-0")
    assert OwnPost.objects.get().state == OwnPost.State.WAITING


def test_a_status_that_was_changed_meanwhile_is_not_set_again(client, marta, item):
    page = press(client, item, text="", vote="", status="Approved", launchpad_status="Work in progress")
    assert "on Launchpad it is Needs review by now" in page


@pytest.mark.parametrize(
    ("choice", "words"), [({"vote": "Maybe"}, "Vote: Select a valid choice"), ({"status": "Done"}, "Status: Select a")]
)
def test_what_launchpad_does_not_know_is_refused_in_words(client, marta, item, choice, words):
    page = press(client, item, text="Fine", **{"vote": "", **choice})
    assert words in page
    assert not OwnPost.objects.exists()


def test_a_bug_gets_no_vote(client, marta, item):
    Review.objects.update(kind="new", launchpad_status="New")
    item.refresh_from_db()
    press(client, item, text="Fine", vote="Approve")
    assert OwnPost.objects.get().vote == ""


def test_without_a_connection_nothing_is_sent_and_the_text_is_kept(client, marta, item):
    LaunchpadConnection.objects.all().delete()
    assert "connect with Launchpad first" in press(client, item, text="Fine", vote="")
    assert OwnPost.objects.drafts().get().text == "Fine"


def test_a_vote_answers_what_a_team_of_the_persons_was_asked(client, marta, item):
    team = make_person("charmers", is_team=True)
    TeamMembership.objects.create(team="charmers", person=marta.person)
    ReviewRequest.objects.create(review=item, reviewer=team, review_type="security", requested_at=timezone.now())
    press(client, item, text="Fine", vote="Approve")
    assert OwnPost.objects.get().review_type == "security"


def test_comments_on_an_earlier_diff_go_in_a_post_of_their_own(client, marta, item):
    lines = [{"diff_number": 5, "line": 1, "text": "old"}, {"diff_number": 9, "line": 2, "text": "new"}]
    OwnPost.objects.create(user=marta, review=item, inline_comments=lines)
    press(client, item, text="Fine", vote="Approve")
    sent = {post.inline_comments[0]["diff_number"]: post.text for post in OwnPost.objects.sent()}
    assert sent == {9: "Fine", 5: "Comments on lines of an earlier diff."}


# --- drafts -------------------------------------------------------------------------------------------------------


def test_what_is_typed_survives_closing_the_tab(client, marta, item):
    assert keep(client, item, "Half a sent").json() == {"version": 1, "other": ""}
    assert "Half a sent</textarea>" in page_of(client, item)


def test_a_draft_begins_as_it_was_written(client, marta, item):
    keep(client, item, "\n\nAfter two empty lines")
    assert "\n\n\nAfter two empty lines</textarea>" in page_of(client, item)  # HTML leaves out the first line end


def test_the_draft_becomes_the_post(client, marta, item):
    keep(client, item, "Half a sent")
    press(client, item, text="Half a sentence.", vote="", version=1)
    post = OwnPost.objects.get()
    assert (post.state, post.text) == ("waiting", "Half a sentence.")


def test_what_is_kept_late_does_not_bring_back_what_was_sent(client, marta, item):
    press(client, item, text="Fine", vote="")
    keep(client, item, "Fine")
    assert not OwnPost.objects.drafts().exists()


def test_two_tabs_lose_nothing_of_each_other(client, marta, item):
    keep(client, item, "From the first tab")
    said = keep(client, item, "From the second tab", key="b").json()
    assert said == {"version": 2, "other": "From the first tab"}
    draft = OwnPost.objects.drafts().get()
    assert (draft.text, draft.other_text) == ("From the second tab", "From the first tab")


def test_a_tab_that_sends_leaves_the_draft_of_the_other(client, marta, item):
    keep(client, item, "From the first tab")
    press(client, item, text="From the second tab", vote="", key="b")
    assert OwnPost.objects.drafts().get().text == "From the first tab"
    assert OwnPost.objects.sent().get().text == "From the second tab"


def test_a_draft_is_kept_and_thrown_away_without_a_script(client, marta, item):
    assert "Your draft is kept." in press(client, item, text="Half", action="save")
    press(client, item, action="discard")
    assert not OwnPost.objects.exists()


def test_a_draft_is_its_authors_alone(client, marta, item):
    keep(client, item, "Between me and me")
    client.force_login(make_user("ana"))
    assert "Between me and me" not in page_of(client, item)


def test_a_comment_on_a_line_joins_the_draft(client, marta, item):
    Diff.objects.create(review=item, url=f"{item.api_url}/+preview-diff/42", state="ready")
    data = {"diff_number": 42, "line": 5, "text": "Why?", "place": "a-5"}
    response = client.post(reverse("line-comment", args=[item.pk]), data)
    assert response["Location"] == f"{item.get_absolute_url()}diff/#a-5"
    assert OwnPost.objects.drafts().get().inline_comments == [
        {"diff_number": 42, "line": 5, "text": "Why?", "where": ""}
    ]
    assert "Why?" in page_of(client, item)


def test_a_comment_on_a_line_of_an_unknown_diff_is_refused_in_words(client, marta, item):
    data = {"diff_number": 42, "line": 5, "text": "Why?"}
    url = reverse("line-comment", args=[item.pk])
    response = client.post(url, data, headers={"accept": "application/json"})
    assert response.status_code == 400
    assert "not kept here any more" in response.json()["problem"]


def test_a_comment_on_a_line_can_be_taken_back(client, marta, item):
    lines = [{"diff_number": 42, "line": n, "text": f"Line {n}?"} for n in (1, 2)]
    OwnPost.objects.create(user=marta, review=item, inline_comments=lines)
    press(client, item, action="remove-0", **{"line-text-0": "Line 1?"})
    assert [each["line"] for each in OwnPost.objects.get().inline_comments] == [2]


# --- what was not posted ------------------------------------------------------------------------------------------


def test_why_it_was_not_posted_stands_over_the_text(client, marta, item):
    OwnPost.objects.create(user=marta, review=item, text="Fine <b>", error="Launchpad refused it (400): <i>no</i>")
    page = page_of(client, item)
    assert "Launchpad refused it (400): &lt;i&gt;no&lt;/i&gt;" in page
    assert "Fine &lt;b&gt;</textarea>" in page


def test_what_was_refused_is_edited_again_beside_what_was_written_meanwhile(client, marta, item):
    post = OwnPost.objects.create(user=marta, review=item, text="Refused", state="refused", sent_at=timezone.now())
    keep(client, item, "Meanwhile")
    press(client, item, action=f"edit-{post.pk}")
    draft = OwnPost.objects.get()
    assert (draft.state, draft.text, draft.other_text) == ("draft", "Refused", "Meanwhile")


def test_nobody_touches_the_posts_of_others(client, marta, item):
    post = OwnPost.objects.create(user=make_user("ana"), review=item, text="Hers", state="refused")
    press(client, item, action=f"dismiss-{post.pk}")
    press(client, item, action=f"edit-{post.pk}")
    assert state_of(post) == "refused"


def test_the_imported_comment_takes_the_place_of_the_post(client, marta, item):
    OwnPost.objects.create(
        user=marta, review=item, text="Fine", state="posted", posted_at=timezone.now(), sent_at=timezone.now(),
        comment_number=99,
    )  # fmt: skip
    assert 'class="own-post posted"' in page_of(client, item)
    Comment.objects.create(review=item, author=marta.person, number=99, content="Fine", created_at=timezone.now())
    assert 'class="own-post' not in page_of(client, item)


# --- the page -----------------------------------------------------------------------------------------------------


def test_without_a_connection_the_page_leads_to_launchpads_form(client, item):
    client.force_login(make_user())
    page = page_of(client, item)
    assert f"{item.url}/+comment" in page
    assert reverse("launchpad-connect") in page
    assert "<textarea" not in page


def test_visitors_see_no_form_but_how_to_get_one(client, item):
    page = page_of(client, item)
    assert "data-draft" not in page
    assert f'<a href="/login/?next=/reviews/{item.pk}/">Log in</a> to comment and vote from here' in page


def test_what_is_merged_has_no_status_to_set(client, marta, item):
    Review.objects.update(launchpad_status="Merged", state="merged")
    assert 'name="status"' not in page_of(client, item)


def test_the_form_costs_two_queries_however_much_was_posted(client, marta, item):
    def count():
        with CaptureQueriesContext(connection) as queries:
            page_of(client, item)
        return sum("integrations_" in query["sql"] for query in queries.captured_queries)

    assert count() == 2
    for number in range(20):
        OwnPost.objects.create(user=marta, review=item, text="x", state="refused", form_key=str(number))
    assert count() == 2


def test_hidden_items_take_nothing(client, marta, item):
    Review.objects.update(private=True)
    for name in ("own-review", "line-comment"):
        assert client.post(reverse(name, args=[item.pk]), fields(item)).status_code == 404
    assert client.get(reverse("own-posts", args=[item.pk])).status_code == 404


def test_visitors_log_in_and_come_back_to_the_item(client, item):
    response = client.post(reverse("own-review", args=[item.pk]), fields(item, text="x", vote=""))
    assert response["Location"] == f"{reverse('login')}?next={item.get_absolute_url()}"


def test_what_became_of_a_post_is_asked_for_alone(client, marta, item):
    press(client, item, text="Fine", vote="")
    part = client.get(reverse("own-posts", args=[item.pk])).content.decode()
    assert "Being posted" in part
    assert "<html" not in part


# --- comments on lines, from the page of the diff --------------------------------------------------------------------

DIFF = """--- a/hooks/install
+++ b/hooks/install
@@ -1,2 +1,2 @@
 one
-two
+three
"""


def ready_diff(item):
    Review.objects.filter(pk=item.pk).update(diff_marker=f"{item.api_url}/+preview-diff/42")
    return Diff.objects.create(
        review=item, url=f"{item.api_url}/+preview-diff/42", revision=item.revision, state="ready", text=DIFF,
        fetched_at=timezone.now(),
    )  # fmt: skip


def test_without_a_script_the_address_of_a_line_says_which_it_is(client, marta, item):
    ready_diff(item)
    page = client.get(reverse("review-diff", args=[item.pk])).content.decode()
    anchor = re.search(r'<tr id="([^"]+)" data-line="6"', page)[1]
    client.post(reverse("line-comment", args=[item.pk]), {"text": "Why three?", "place": f"#{anchor}"})
    assert OwnPost.objects.drafts().get().inline_comments == [
        {"diff_number": 42, "line": 6, "text": "Why three?", "where": "hooks/install, line 2"}
    ]


def test_a_line_that_is_not_there_is_refused_in_words(client, marta, item):
    ready_diff(item)
    data = {"text": "Why?", "place": "nowhere-5"}
    answer = client.post(reverse("line-comment", args=[item.pk]), data, headers={"accept": "application/json"})
    assert "Say which line" in answer.json()["problem"]


def test_visitors_are_offered_no_comment_on_a_line(client, item):
    ready_diff(item)
    assert "line-comment" not in client.get(reverse("review-diff", args=[item.pk])).content.decode()
