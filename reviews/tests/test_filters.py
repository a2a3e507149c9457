"""What the search's parameters find, and what is said of those that are not valid."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from reviews.filters import ReviewFilter
from reviews.models import Review, State
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db


def found(query):
    """Titles of what the query finds; every parameter has to be valid."""
    search = ReviewFilter(QueryDict(query), queryset=Review.objects.all())
    titles = [review.title for review in search.results()]
    assert not search.form.errors, search.form.errors
    return sorted(titles)


def problem(query):
    search = ReviewFilter(QueryDict(query), queryset=Review.objects.all())
    search.results()
    return {name: " ".join(words) for name, words in search.form.errors.items()}


@pytest.fixture
def tested():
    make_review("azure fails", marks=[["lxc", "pass", True], ["azure", "fail", True]])
    make_review("lxc fails", marks=[["lxc", "fail", False], ["azure", "pass", True]])
    make_review("under way", marks=[["azure", "running", True]])
    make_review("untested")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("substrate=azure&outcome=fail", ["azure fails"]),
        ("substrate=lxc&outcome=fail", ["lxc fails"]),
        ("substrate=azure&outcome=fail&outcome=running", ["azure fails", "under way"]),
        ("substrate=lxc,azure&outcome=fail", ["azure fails", "lxc fails"]),
        ("substrate=lxc", ["azure fails", "lxc fails"]),
        ("outcome=fail", ["azure fails", "lxc fails"]),
        ("outcome=fail,running", ["azure fails", "lxc fails", "under way"]),
        ("substrate=lxc&outcome=none", ["under way", "untested"]),
        ("outcome=none", ["untested"]),
        ("substrate=azure&outcome=error", []),
    ],
)
def test_outcomes_are_asked_for_on_substrates(tested, query, titles):
    assert found(query) == titles


def test_no_review_yet_is_what_nobody_else_has_commented():
    make_review("looked at", first_reviewed_at=timezone.now())
    make_review("waits")
    assert found("unreviewed=yes") == ["waits"]


def test_older_counts_the_days_since_submission_whatever_was_said_since():
    now = timezone.now()
    make_review("old", created_at=now - timedelta(days=31), updated_at=now)
    make_review("young", created_at=now - timedelta(days=29))
    assert found("older=30") == ["old"]


@pytest.mark.parametrize("query", ["submitter=ada&submitter=bob", "submitter=ada,bob", "submitter=ada+~Bob"])
def test_any_of_several_submitters_will_do(query):
    make_review("of ada"), make_review("of bob", owner="bob"), make_review("of eve", owner="eve")
    assert found(query) == ["of ada", "of bob"]


@pytest.mark.parametrize("query", ["state=new&state=merged", "state=new,merged", "state=new+merged"])
def test_any_of_several_states_will_do(query):
    make_review("a", state=State.NEW), make_review("b", state=State.MERGED), make_review("c", state=State.READY)
    assert found(query) == ["a", "b"]


def test_open_stands_for_all_open_states():
    make_review("a", state=State.NEW), make_review("b", state=State.MERGED), make_review("c", state=State.IN_PROGRESS)
    assert found("state=open") == ["a", "c"]
    assert found("state=open,merged") == ["a", "b", "c"]


def test_any_of_several_holders_of_a_lock_will_do():
    for name in ("eve", "bob", "zoe"):
        make_review(f"of {name}", locked_by=make_person(name), locked_at=timezone.now())
    assert found("locked_by=eve,bob") == ["of bob", "of eve"]


@pytest.fixture
def october():
    """Three items, all active today; Eve commented on two of them in October, Bob on one."""
    first, second, third, own = make_review("first"), make_review("second"), make_review("third"), make_review("own")
    Review.objects.update(updated_at=datetime(2026, 11, 20, tzinfo=UTC))
    Review.objects.filter(pk=own.pk).update(owner=make_person("eve"))
    make_comment(first, "eve", created_at=datetime(2026, 10, 1, tzinfo=UTC))
    make_comment(second, "eve", created_at=datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    make_comment(third, "eve", created_at=datetime(2026, 11, 1, tzinfo=UTC))
    make_comment(third, "bob", created_at=datetime(2026, 10, 9, tzinfo=UTC))
    make_comment(own, "eve", created_at=datetime(2026, 10, 9, tzinfo=UTC))


def test_with_a_reviewer_the_days_are_those_of_their_reviews(october):
    assert found("reviewer=eve&from=2026-10-01&to=2026-10-31") == ["first", "second"]


def test_without_a_reviewer_the_days_are_those_of_the_last_activity(october):
    assert found("from=2026-10-01&to=2026-10-31") == []
    assert found("from=2026-11-20&to=2026-11-20") == ["first", "own", "second", "third"]


def test_each_of_several_reviewers_counts_in_that_time(october):
    assert found("reviewer=eve,bob&from=2026-10-01&to=2026-10-31") == ["first", "second", "third"]


def test_whose_own_item_it_is_does_not_hide_it_from_another_reviewer(october):
    make_comment(Review.objects.get(title="own"), "bob", created_at=datetime(2026, 10, 9, tzinfo=UTC))
    assert found("reviewer=eve,bob&to=2026-10-30") == ["first", "own", "third"]


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("state=mended", "state", "“mended” is not valid here. Choose one of: open, new,"),
        ("substrate=vax", "substrate", "There is no substrate “vax”. There are: "),
        ("outcome=good", "outcome", "Choose one of: fail, error, running, pass, none."),
        ("unreviewed=no", "unreviewed", "The only choice is “yes”."),
        ("older=long", "older", "Write a whole number of days, such as 30."),
        ("older=-1", "older", "greater than or equal to 0"),
        ("older=99999999999999999999", "older", "less than or equal to 36500"),
        ("from=yesterday", "from", "Write it as 2026-07-31."),
        ("from=2026-10-02&to=2026-10-01", "to", "This day is before “From”."),
        ("sort=colour", "sort", "Nothing can be sorted by “colour”. Choose one of: "),
        ("square=blue", "square", "Choose one of: white, green, red, black."),
        ("submitter=a%00b", "submitter", "This is not a username"),
        ("reviewer=" + "+".join(f"p{n}" for n in range(51)), "reviewer", "At most 50 people"),
        ("source=nowhere", "source", "There is no such source."),
    ],
)
def test_what_is_not_valid_is_said_in_words(query, name, words):
    problems = problem(query)
    assert list(problems) == [name]
    assert words in problems[name]


@pytest.mark.parametrize(
    "query",
    ["substrate=azure&outcome=fail", "unreviewed=yes&older=1&state=open", "reviewer=eve&from=2026-10-01",
     "submitter=ada,bob"],
)  # fmt: skip
def test_the_api_finds_what_the_search_finds(client, tested, october, query):
    titles = found(query)
    assert titles
    answer = client.get(f"/api/reviews/?{query}").json()
    assert sorted(review["title"] for review in answer["results"]) == titles


def test_the_api_refuses_what_is_not_valid_by_field(client):
    answer = client.get("/api/reviews/?substrate=vax&older=x")
    assert answer.status_code == 400
    assert set(answer.json()) == {"substrate", "older"}


def test_the_schema_says_that_people_may_be_several(client):
    schema = client.get("/api/schema/?format=json").json()
    parameters = {entry["name"]: entry["schema"] for entry in schema["paths"]["/api/reviews/"]["get"]["parameters"]}
    assert parameters["reviewer"] == {"type": "array", "items": {"type": "string"}}
    assert parameters["older"]["type"] == "integer"
    assert parameters["substrate"]["type"] == "array"
