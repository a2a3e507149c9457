"""The text of a message, from the facts of the moment it is sent. What is not true any more is not said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import User
from core.text import counted, shorten
from integrations.notifications.models import Delivery, News, NewsKind
from integrations.notifications.unsubscribe import unsubscribe_url
from reviews.choices import Actor
from reviews.models import Comment, Review, Verdict
from reviews.tables import marks_of
from reviews.texts import verdict_words
from reviews.turns import next_actor, reason, whose_turn
from testing.evidence import Evidence
from testing.models import Status
from testing.tables import failing_by_run, newest_runs

MAX_ITEMS = 20  # of a message; how many more there are is said
MAX_TESTS = 5  # failing tests of an item that are named
MAX_COMMENTS = 3  # of an item that are quoted
MAX_SUBJECT = 150
MAX_LINE = 200
HEADLINES: dict[str, str] = {
    NewsKind.TESTS_FAILED: "tests failed",
    NewsKind.REVIEWED: "it was reviewed",
    NewsKind.MY_TURN: "it is your turn",
    NewsKind.LOCKED_CHANGED: "what you locked changed",
    NewsKind.REVIEW_REQUESTED: "a review was asked of you",
    NewsKind.MY_RUNS: "the test that you started ended",
    NewsKind.NEW_ITEM: "new",
    NewsKind.VERDICT: "tests",
    NewsKind.WAITS: "waits for a reviewer",
}
ORDER = list(HEADLINES)


@dataclass(frozen=True, slots=True)
class FailingTest:
    """A failing test as a message names it."""

    name: str
    substrate: str
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody said, in short."""

    author: str
    text: str


@dataclass
class Entry:
    """One item of a message."""

    review: Review
    url: str
    headline: str  # what happened, in a few words
    sentence: str  # whose turn it is, and why
    verdict: str
    tests: list[FailingTest] = field(default_factory=list)
    more_tests: int = 0
    outages: list[str] = field(default_factory=list)  # of substrates where it failed
    quotes: list[Quote] = field(default_factory=list)

    @property
    def title(self) -> str:
        return one_line(self.review.title, MAX_LINE) or "(no title)"


@dataclass(frozen=True)
class Message:
    """A message as it is sent."""

    subject: str
    text: str
    html: str
    unsubscribe: str = ""  # the address that stops such mails
    kept: str = ""  # how the row calls it: no item by its title but the one that the row names


def one_line(text: str, length: int) -> str:
    """A stranger's text as a part of a line."""
    return shorten(" ".join("".join(char if char.isprintable() else " " for char in text).split()), length)


def compose(delivery: Delivery) -> Message | None:
    """The message, or None when nothing is left to say. Eight queries at most, and four for each item that failed.

    News that are no more true, or of what the recipient may not see, are dropped.
    """
    if delivery.is_test:
        return _rendered(delivery, "This is a test message", [], [], 0)
    reader = delivery.user
    news = list(delivery.news.filter(dropped_at=None).order_by("happened_at", "pk"))
    visible = Review.objects.visible_to(reader).filter(pk__in={each.review_id for each in news if each.review_id})
    reviews = {review.pk: review for review in visible.select_related("owner", "source", "locked_by")}
    by_review: dict[int, list[News]] = defaultdict(list)
    dropped, lines = [], []
    for each in news:
        if each.review_id is None:
            lines.append(each.words)
        elif each.review_id in reviews and is_true(each, reviews[each.review_id]):
            by_review[each.review_id].append(each)
        else:
            dropped.append(each.pk)
    News.objects.filter(pk__in=dropped).update(dropped_at=timezone.now())
    if not by_review and not lines:
        return None
    shown = list(by_review)[:MAX_ITEMS]
    entries = _entries([reviews[pk] for pk in shown], by_review, reader)
    return _rendered(delivery, _subject(entries, lines, len(by_review)), entries, lines, len(by_review) - len(shown))


def is_true(news: News, review: Review) -> bool:
    """Whether it is still so, and still worth telling."""
    if news.kind in (NewsKind.TESTS_FAILED, NewsKind.VERDICT):
        is_same = review.verdict_at is not None and review.verdict_at.isoformat() == news.key
        return is_same and (review.verdict == Verdict.FAIL or news.kind == NewsKind.VERDICT)
    if news.kind in (NewsKind.MY_TURN, NewsKind.WAITS):
        return review.turn_since.isoformat() == news.key and next_actor(review.turn) != Actor.NONE
    if news.kind == NewsKind.REVIEW_REQUESTED:
        pk = news.key.removeprefix("request ")
        return review.is_open and review.requests.filter(pk=pk, is_pending=True).exists()
    if news.kind == NewsKind.NEW_ITEM:
        return review.is_open
    return True


def _entries(reviews: list[Review], news: dict[int, list[News]], reader: User | None) -> list[Entry]:
    quotes = _quotes(news)
    found = []
    for review in reviews:
        kinds = sorted({each.kind for each in news[review.pk]}, key=ORDER.index)
        turn = f"{whose_turn(review, reader)}: {reason(review.turn)}."
        tests, total, outages = _failing_tests(review)
        found.append(
            Entry(
                review, settings.BASE_URL + review.get_absolute_url(), "; ".join(HEADLINES[kind] for kind in kinds),
                turn, verdict_words(review.verdict, marks_of(review.marks)), tests,
                total - len(tests), outages, quotes[review.pk],
            )
        )  # fmt: skip
    return found


def _failing_tests(review: Review) -> tuple[list[FailingTest], int, list[str]]:
    """The first failing tests of the newest run on each substrate, how many there are, and which of the substrates
    fail for most items. Three queries at most."""
    if review.verdict not in (Verdict.FAIL, Verdict.ERROR):
        return [], 0, []
    runs = newest_runs(review).filter(revision=review.revision, status__in=[Status.FAIL, Status.ERROR])
    failed = list(runs.select_related("substrate", "compared_with").with_test_counts())
    found = [
        FailingTest(
            " / ".join(one_line(part, 80) for part in (test.result.suite, test.result.test) if part),
            run.substrate.name, test.evidence if test.evidence.label else None,
        )
        for run in failed
        for test in failing_by_run([run])[run.pk]
    ]  # fmt: skip
    outages = [run.substrate.outage for run in failed if run.substrate.outage]
    return found[:MAX_TESTS], sum(run.failed_count for run in failed), outages


def _quotes(news: dict[int, list[News]]) -> dict[int, list[Quote]]:
    """The first lines of what was said, of the comments among the news."""
    numbers = defaultdict(set)
    for review_id, each in news.items():
        for one in each:
            if one.key.startswith("comment "):
                numbers[review_id].add(int(one.key.removeprefix("comment ")))
    found: dict[int, list[Quote]] = defaultdict(list)
    wanted = {number for of_review in numbers.values() for number in of_review}
    if not wanted:
        return found
    comments = Comment.objects.filter(review__in=numbers, number__in=wanted).select_related("author")
    for comment in comments.order_by("created_at"):
        if comment.number in numbers[comment.review_id] and len(found[comment.review_id]) < MAX_COMMENTS:
            said = [line for line in comment.content.splitlines() if line.strip() and not line.startswith(">")]
            vote = f"{comment.vote}: " if comment.vote else ""
            text = one_line(vote + " ".join(said[:3]), MAX_LINE)
            found[comment.review_id].append(Quote(one_line(str(comment.author), 80), text))
    return found


def _subject(entries: list[Entry], lines: list[str], total: int) -> str:
    if lines and not entries:
        return lines[0] if len(lines) == 1 else f"{len(lines)} things are wrong or work again"
    if total == 1:
        return f"{entries[0].title}: {entries[0].headline}"
    return f"{counted(total, 'item')}: {entries[0].title} and others"


def _rendered(delivery: Delivery, subject: str, entries: list[Entry], lines: Iterable[str], more: int) -> Message:
    unsubscribe = unsubscribe_url(delivery.user) if delivery.user else ""
    context = {
        "entries": entries,
        "lines": list(lines),
        "more": more,
        "is_test": delivery.is_test,
        "is_digest": delivery.is_digest,
        "user": delivery.user,
        "base_url": settings.BASE_URL,
        "unsubscribe": unsubscribe,
    }
    text = render_to_string("integrations/notifications/message.txt", context)
    html = render_to_string("integrations/notifications/message.html", context) if delivery.user else ""
    whole = one_line(f"[Review Queue] {subject}", MAX_SUBJECT)
    is_of_item = delivery.review_id is not None or not entries
    return Message(whole, text, html, unsubscribe, whole if is_of_item else counted(len(entries) + more, "item"))
