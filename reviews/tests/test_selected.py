"""Several reviews at once: what is done, and what is said of those with which it is not."""

import pytest

from reviews.locks import lock
from reviews.models import Event, Review, Source
from reviews.tests.factories import make_person, make_review, make_reviews

pytestmark = pytest.mark.django_db


def press(client, action, *reviews, **more):
    """Press a button of the bar; what the page that follows says, in one line."""
    form = {"action": action, "review": [getattr(review, "pk", review) for review in reviews], **more}
    page = client.post("/reviews/selected/", form, follow=True).content.decode()
    return [" ".join(part.split("</p>")[0].split()) for part in page.split('role="status">')[1:]]


def holders(*reviews):
    return [Review.objects.get(pk=review.pk).locked_by for review in reviews]


def test_lock_locks_all_that_are_selected_and_no_other(client, reviewer):
    one, two, other = make_review(), make_review(), make_review()
    assert press(client, "lock", one, two) == ["Locked 2 items."]
    assert holders(one, two, other) == [reviewer.person, reviewer.person, None]


def test_lock_says_which_it_did_not_lock_and_why(client, reviewer):
    free, held, closed = make_review(), make_review("mysql"), make_review("nginx", state="merged")
    lock(held.pk, make_person("eve"))
    off = make_review("haproxy", source=Source.objects.create(name="off", kind="project", target="x", active=False))
    assert press(client, "lock", free, held, closed, off) == [
        "Locked 1 item.",
        "Not locked: “mysql”, because eve holds it.",
        "Not locked: “nginx”, because it is MERGED.",
        "Not locked: “haproxy”, because its source off is switched off.",
    ]
    assert holders(held)[0].username == "eve"


def test_many_that_share_a_reason_are_said_once(client, reviewer):
    reviews = [make_review(f"Item {number}", state="merged") for number in range(5)]
    assert press(client, "lock", *reviews) == [
        "Not locked: “Item 0”, “Item 1”, “Item 2” and 2 more, because it is MERGED."
    ]


def test_release_gives_back_their_own_and_leaves_those_of_others_even_for_staff(client, reviewer):
    reviewer.is_staff = True
    reviewer.save()
    mine, held, free = make_review(), make_review("mysql"), make_review("nginx")
    lock(mine.pk, reviewer.person)
    lock(held.pk, make_person("eve"))
    assert press(client, "release", mine, held, free) == [
        "Released 1 item.",
        "Not released: “mysql”, because eve holds it.",
        "Not released: “nginx”, because nobody holds it.",
    ]
    assert [holder and holder.username for holder in holders(mine, held)] == [None, "eve"]


def test_titles_and_names_of_others_are_shown_as_text(client, reviewer):
    held = make_review("<script>alert(1)</script>" + "x" * 500)
    lock(held.pk, make_person("eve", display_name="<b>Eve</b>"))
    (words,) = press(client, "lock", held)
    assert words.startswith("Not locked: “&lt;script&gt;")
    assert len(words) < 200
    assert "&lt;b&gt;Eve" in words


@pytest.mark.parametrize(
    ("action", "reviews", "words"),
    [
        ("lock", [], "select at least one item"),
        ("delete", ["1"], "unknown action"),
        ("", ["1"], "unknown action"),
        ("lock", ["x"], "unknown id"),
        ("lock", ["-1"], "unknown id"),
        ("lock", ["9" * 30], "unknown id"),
        ("lock", [""], "unknown id"),
        ("lock", [str(number) for number in range(101)], "at most 100 items"),
    ],
)
def test_what_the_form_can_not_mean_changes_nothing(client, reviewer, action, reviews, words):
    make_reviews(3)
    (said,) = press(client, action, *reviews)
    assert said.startswith("Nothing was changed:")
    assert words in said
    assert not Event.objects.exists()


def test_one_that_is_gone_or_private_is_said_not_to_be_found_while_the_others_are_locked(client, reviewer):
    free, private = make_review(), make_review(private=True)
    assert press(client, "lock", free, private, 999) == [
        "Locked 1 item.",
        "2 selected items could not be found any more.",
    ]
    assert holders(private) == [None]


@pytest.mark.parametrize(
    ("back", "target"),
    [
        ("/?group=reviews&q=mysql", "/?group=reviews&q=mysql"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_list_that_it_leads_back_to_is_one_of_ours(client, reviewer, back, target):
    answer = client.post("/reviews/selected/", {"action": "lock", "review": make_review().pk, "next": back})
    assert answer.url == target


def test_visitors_log_in_first_and_come_back_to_the_list(client, db):
    answer = client.post("/reviews/selected/", {"action": "lock", "review": "1", "next": "/?q=a"})
    assert answer.url == "/login/?next=/%3Fq%3Da"


def test_who_is_no_reviewer_is_refused(client, boss):
    review = make_review()
    assert client.post("/reviews/selected/", {"action": "lock", "review": review.pk}).status_code == 403
    assert holders(review) == [None]


def test_a_get_changes_nothing_and_leads_to_the_list(client, reviewer):
    assert client.get("/reviews/selected/", {"action": "lock", "review": make_review().pk}).url == "/"
    assert not Event.objects.exists()
