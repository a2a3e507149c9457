"""The comment that tells Launchpad a verdict."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.launchpad.verdict_comment import MAX_LENGTH, MAX_NAMES, compose, get_tested_revisions, marker_of
from reviews.comments import MARKER
from reviews.models import Review
from testing.models import Substrate, TestResult, TestRun
from testing.standing import keep_standings
from testing.verdicts import update_verdicts


@pytest.fixture
def item(review):
    review.test_runs.all().delete()
    Review.objects.filter(pk=review.pk).update(target="lp:charms/mysql", revision="41")
    review.refresh_from_db()
    return review


def run_on(item, substrate, status, failing=0, passing=0, **more):
    began = timezone.now()
    run = TestRun.objects.create(
        review=item, substrate=Substrate.objects.get_or_create(name=substrate)[0], revision=item.revision,
        status=status, started_at=began, finished_at=began + timedelta(minutes=19), next_attempt_at=None, **more,
    )  # fmt: skip
    TestResult.objects.bulk_create(
        TestResult(
            run=run,
            position=n,
            suite="bundle",
            test=f"test-{n}",
            outcome="fail" if n < failing else "pass",
            error="boom",
        )
        for n in range(failing + passing)
    )
    update_verdicts([item.pk])
    item.refresh_from_db()
    return run


def comment(item, vote=""):
    return compose(get_tested_revisions([item])[item.pk], vote, 1)


def test_the_first_line_says_it_all(item):
    run_on(item, "azure", "fail", failing=2, passing=39)
    run_on(item, "lxc", "pass", passing=41)
    run_on(item, "aws", "pass", passing=41)
    assert comment(item).splitlines()[0] == "Tests failed on azure (2 of 41); lxc and aws passed."


def test_what_could_not_be_run_is_no_failure(item):
    run_on(item, "lxc", "error", error="Given up after 5 attempts.")
    assert comment(item).splitlines()[0] == "Tests could not be run to an end on lxc."


def test_why_it_could_not_be_run_is_said(item):
    run_on(item, "lxc", "error", error="Given up after 5 attempts.")
    assert "Given up after 5 attempts." in comment(item)


def test_each_substrate_has_a_line(item):
    run_on(item, "azure", "fail", failing=2, passing=39)
    assert "azure: failed, 2 of 41 tests, in 19 min 0 s" in comment(item)


def test_failing_tests_are_named_with_their_error(item):
    run_on(item, "azure", "fail", failing=1)
    assert "  - bundle / test-0: boom" in comment(item)


def test_of_many_failing_tests_the_rest_is_counted(item):
    run_on(item, "azure", "fail", failing=MAX_NAMES + 12)
    assert "  - and 12 more" in comment(item)


def test_a_run_that_does_not_count_says_so(item):
    run_on(item, "lxc", "pass")
    run_on(item, "power8", "fail", counts=False)
    text = comment(item)
    assert text.splitlines()[0] == "Tests passed on lxc."
    assert "power8: failed, in 19 min 0 s (does not count for the verdict)" in text


def test_the_console_is_linked(item):
    run_on(item, "lxc", "pass", build_url="http://jenkins/job/x/7/")
    assert "http://jenkins/job/x/7/" in comment(item)


def test_the_revision_and_what_it_was_merged_into_are_said(item):
    run_on(item, "lxc", "pass", target_revision="187")
    assert "Revision: 41, merged into lp:charms/mysql at 187" in comment(item)


def test_the_queue_s_own_page_is_linked(item, settings):
    settings.BASE_URL = "https://queue.example.com"
    run_on(item, "lxc", "pass")
    assert f"https://queue.example.com/reviews/{item.pk}/" in comment(item)


@pytest.mark.parametrize(("status", "said"), [("fail", True), ("error", True), ("pass", False)])
def test_how_to_run_again_is_said_where_something_failed(item, status, said):
    run_on(item, "lxc", status)
    assert ("recheck" in comment(item)) is said


def test_it_ends_with_the_marker_that_finds_it_again(item, settings):
    settings.BASE_URL = "https://queue.example.com"
    run_on(item, "lxc", "pass")
    assert comment(item).splitlines()[-1] == (
        f"-- posted by Review Queue, review {item.pk}, revision 41, number 1 of https://queue.example.com"
    )


def test_another_verdict_of_the_same_revision_has_another_marker(item):
    assert marker_of(item, "41", 1) != marker_of(item, "41", 2)


def test_a_name_with_line_breaks_stays_on_its_line(item):
    run = run_on(item, "lxc", "fail")
    TestResult.objects.create(
        run=run, position=1, suite="s", test=f"a\n\nrecheck\n{MARKER}", outcome="fail", returncode=1
    )
    assert "recheck" not in [line.strip() for line in comment(item).splitlines()]


def test_it_is_bounded_and_keeps_its_marker(item):
    for number in range(40):
        run = run_on(item, f"substrate-{number}", "fail")
        TestResult.objects.bulk_create(
            TestResult(
                run=run, position=n, suite="s" * 255, test="t" * 255, outcome="fail", returncode=1, error="e" * 5000
            )
            for n in range(10)
        )
    text = comment(item)
    assert len(text) <= MAX_LENGTH
    assert text.splitlines()[-1].startswith(MARKER)


def test_taking_a_vote_back_is_said(item):
    run_on(item, "lxc", "pass")
    assert "takes back the earlier Needs Fixing" in comment(item, vote="Abstain")


def test_the_runs_of_many_reviews_are_two_queries(item, django_assert_num_queries):
    run_on(item, "lxc", "fail", failing=3)
    with django_assert_num_queries(2):
        get_tested_revisions([item])


def test_each_failing_test_says_what_is_known_of_it(item):
    earlier = run_on(item, "lxc", "pass", passing=3)
    TestRun.objects.filter(pk=earlier.pk).update(revision="40")
    run = run_on(item, "lxc", "fail", failing=2, passing=1)
    keep_standings(run)
    assert "  - bundle / test-0 (new: passed on revision 40): boom" in comment(item).splitlines()


def test_a_failure_elsewhere_is_counted(item):
    other = Review.objects.get(pk=item.pk)
    other.pk, other.number, other.api_url = None, 77, f"{item.api_url}7"
    other.save()
    run_on(other, "lxc", "fail", failing=1)
    keep_standings(run_on(item, "lxc", "fail", failing=1))
    assert "(elsewhere: has failed on 1 other item since today)" in comment(item)


def test_an_outage_of_one_of_its_substrates_is_said(item):
    Substrate.objects.filter(name="lxc").update(outage="lxc fails for 9 of the last 9 items: probably not yours.",
                                                outage_since=timezone.now())  # fmt: skip
    run_on(item, "lxc", "fail", failing=1)
    assert comment(item).splitlines()[1] == "lxc fails for 9 of the last 9 items: probably not yours."
    run_on(item, "lxc", "pass", passing=1)
    assert "probably not yours" not in comment(item)
