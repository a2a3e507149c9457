"""The change on the page of its review: votes and requests, facts, what has to be merged before it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import TeamMembership
from reviews.change import MAX_NAMED, Change
from reviews.models import Review, ReviewRequest, Source, State
from reviews.tests.factories import make_comment, make_person, make_review
from reviews.votes import count_votes

pytestmark = pytest.mark.django_db

HOST = "https://git.launchpad.net/"


def get_page(client, review) -> str:
    return " ".join(client.get(f"/reviews/{review.pk}/").content.decode().split())


def get_change(client, review) -> str:
    return get_page(client, review).partition('id="change-heading"')[2].partition("</section>")[0]


def voters(client, review) -> list[str]:
    """The lines of the column Votes, without their HTML."""
    section = get_page(client, review).partition('<ul class="votes">')[2].partition("</ul>")[0]
    return [re.sub(r"<[^>]*>", "", line).strip() for line in section.split("</li>") if line.strip()]


def vote(review, who, words, *, days=1.0, content="", sentiment="neutral"):
    at = timezone.now() - timedelta(days=days)
    return make_comment(review, who, content, vote=words, sentiment=sentiment, created_at=at)


def ask(review, who, by="", **more):
    reviewer, registrant = make_person(who), make_person(by) if by else None
    ReviewRequest.objects.create(
        review=review, reviewer=reviewer, registrant=registrant, requested_at=timezone.now(), **more
    )
    if more.get("is_pending", True):
        review.requested_reviewers = sorted([*review.requested_reviewers, who])
        review.save()


def test_each_person_s_latest_vote_is_shown_newest_first(client):
    review = make_review()
    vote(review, "eve", "Needs Fixing", days=3, sentiment="negative")
    vote(review, "bob", "", days=2, sentiment="positive", content="+1")
    vote(review, "eve", "Approve", days=1, sentiment="positive")
    make_comment(review, "zed", "hm")
    assert voters(client, review) == ["eve Approve", "bob in favour"]


def test_abstain_is_shown_though_it_does_not_count(client):
    review = make_review()
    vote(review, "eve", "Approve", days=3, sentiment="positive")
    vote(review, "eve", "Abstain", days=2)
    assert voters(client, review) == ["eve Abstain"]


def test_bots_and_this_queue_have_no_vote(client):
    review = make_review()
    vote(review, make_person("robot", is_bot=True), "Approve", sentiment="positive")
    make_comment(review, "queue", "", vote="Needs Fixing", sentiment="negative", is_automated=True)
    assert "Nobody has voted." in get_page(client, review)


def test_a_vote_on_an_earlier_revision_says_so(client):
    review = make_review(revision_at=timezone.now() - timedelta(days=2))
    vote(review, "eve", "Needs Fixing", days=3, sentiment="negative")
    vote(review, "bob", "Approve", days=1, sentiment="positive")
    assert voters(client, review) == ["bob Approve", "eve Needs Fixing, before this revision"]


def test_who_is_asked_stands_below_the_votes(client):
    review = make_review()
    vote(review, "eve", "Approve", sentiment="positive")
    ask(review, "charmers", by="ada")
    ask(review, "sec", review_type="security")
    ask(review, "eve", is_pending=False)
    assert voters(client, review) == ["eve Approve", "charmers asked by ada", "sec asked for security"]


def test_who_votes_in_words_alone_is_still_asked_on_launchpad(client):
    review = make_review()
    vote(review, "eve", "", sentiment="negative", content="-1")
    ask(review, "eve")
    assert voters(client, review) == ["eve against, asked to vote"]


def test_the_reader_comes_first_and_is_you(client, reviewer):
    review = make_review()
    vote(review, "eve", "Approve", sentiment="positive")
    ask(review, reviewer.person.username)
    assert voters(client, review) == ["You asked", "eve Approve"]


def test_the_sentence_says_to_the_reader_that_they_are_asked(client, reviewer):
    review = make_review()
    ask(review, reviewer.person.username, by="ana")
    assert "</strong> asked of you by \u2068ana\u2069; no review yet." in get_page(client, review)


def test_the_sentence_says_that_a_team_of_the_reader_is_asked(client, reviewer):
    review = make_review()
    TeamMembership.objects.create(person=reviewer.person, team="charmers")
    ask(review, "charmers")
    assert "</strong> asked of charmers; no review yet." in get_page(client, review)


def test_while_the_submitter_has_to_act_nothing_is_asked_of_the_reader(client, reviewer):
    review = make_review(verdict="fail")
    ask(review, reviewer.person.username)
    assert "</strong> its tests fail." in get_page(client, review)


def test_only_once_it_was_read_nobody_is_said_to_be_asked(client):
    assert "Nobody has voted." in get_page(client, make_review())
    assert "Nobody has voted or is asked to." in get_page(client, make_review(extras_read_at=timezone.now()))


def test_hostile_names_and_types_are_text(client):
    review = make_review()
    make_person("mallory").__class__.objects.filter(username="mallory").update(display_name="<script>x</script>")
    ask(review, "mallory", review_type="<img src=x>")
    page = get_page(client, review)
    assert "<script>x" not in page
    assert "<img src=x>" not in page


def test_a_crowd_is_named_in_part(client):
    review = make_review()
    for number in range(MAX_NAMED + 3):
        vote(review, f"p{number}", "Approve", sentiment="positive")
    assert len(voters(client, review)) == MAX_NAMED
    assert "and 3 more" in get_page(client, review)


def test_the_column_and_the_count_agree(client):
    review = make_review()
    for who, words in (("eve", "Needs Fixing"), ("bob", "Approve"), ("eve", "Approve"), ("zed", "Abstain")):
        vote(review, who, words, sentiment={"Approve": "positive", "Needs Fixing": "negative"}.get(words, "neutral"))
    count_votes(review)
    review.save()
    shown = voters(client, review)
    assert sum("Approve" in line for line in shown) == review.positive_votes == 2
    assert sum("Needs Fixing" in line for line in shown) == review.negative_votes == 0


def test_the_facts_say_its_size_and_link_its_bugs(client):
    bugs = [{"number": 7, "title": "It is <b>slow</b>", "url": "https://bugs.launchpad.net/bugs/7"}]
    page = get_page(client, make_review(lines_added=12, lines_removed=3, files_changed=2, related_bugs=bugs))
    assert '<span class="plus">+12</span> <span class="minus">−3</span> in 2 files' in page
    assert 'href="https://bugs.launchpad.net/bugs/7" rel="noopener nofollow">#7 <bdi>It is &lt;b&gt;slow' in page


# --- the prerequisite -------------------------------------------------------------------------------------------------


def make_dependent(**more):
    return make_review(
        "Second", prerequisite="~ada/thing/+git/base:first", prerequisite_url=f"{HOST}~ada/thing/+git/base",
        prerequisite_branch="first", **more,
    )  # fmt: skip


def make_first(title="First", *, branch="first", **more):
    return make_review(title, source_url=f"{HOST}~ada/thing/+git/base", source_branch=branch, **more)


def test_a_prerequisite_leads_to_its_own_item(client):
    first = make_first()
    page = get_change(client, make_dependent())
    assert f'<a href="/reviews/{first.pk}/"><bdi>First</bdi></a>' in page
    assert page.count("has to be merged before it") == 1


def test_a_prerequisite_that_is_merged_is_not_waited_for(client):
    make_first(state=State.MERGED)
    page = get_change(client, make_dependent())
    assert '<span class="badge badge-merged">MERGED</span>' in page
    assert "has to be merged before it" not in page


def test_of_several_items_of_a_prerequisite_the_newest_is_shown(client):
    make_first("Again", days=1)
    make_first("Rejected", state=State.ABANDONED, days=9)
    page = get_change(client, make_dependent())
    assert "<bdi>Again</bdi>" in page
    assert "Rejected" not in page


def test_a_prerequisite_that_is_not_here_is_named(client):
    make_first(branch="other")
    page = get_change(client, make_dependent())
    assert "~ada/thing/+git/base:first" in page
    assert "First" not in page


def test_a_private_prerequisite_is_not_given_away(client):
    make_first(private=True, source=Source.objects.first())
    assert "First" not in get_change(client, make_dependent())


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_long_text_is_folded_with_all_of_it_there(client):
    lines = [f"line {number}." for number in range(40)]
    page = get_change(client, make_review(description="\n".join(lines)))
    assert all(line in page for line in lines)
    assert "<summary>24 more lines</summary>" in page


def test_a_text_of_one_endless_line_is_folded(client):
    page = get_change(client, make_review(description="x" * 5000))
    assert "x" * 1500 + "</pre>" in page
    assert "<summary>1 more line</summary>" in page


def test_what_the_title_says_already_is_not_said_again(client):
    page = get_change(client, make_review("Fix it", commit_message="Fix it", description="Fix it"))
    assert "<h3>" not in page


def test_votes_requests_bugs_and_a_prerequisite_are_one_query_more(client, reviewer, django_assert_num_queries):
    make_first()
    review = make_dependent(related_bugs=[{"number": 7, "title": "x", "url": "https://x/"}])
    for number in range(5):
        vote(review, f"p{number}", "Approve", sentiment="positive")
        ask(review, f"q{number}", by="ada")
    review = Change(Review.objects.with_prerequisite(reviewer).get(pk=review.pk), reviewer)
    with django_assert_num_queries(1):
        assert (len(review.voters), str(review.prerequisite), review.texts) == (10, "First", [])
