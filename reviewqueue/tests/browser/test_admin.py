"""The admin in a real browser: no page breaks the rules of the CSP (see ``window``); Health is for everybody."""

import pytest

from accounts.models import User
from integrations.models import StatusReport, VerdictPost
from reviews.models import Source
from testing.models import Substrate, TestRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def boss(queue):
    return User.objects.create_superuser("boss", password="correct horse")


def test_the_main_pages_open_without_an_error(page, queue, boss, make_review):
    review = make_review("<b>mysql</b>")
    run = TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="lxc"), revision="1")
    queue.log_in(page, boss)
    for path in (
        "/admin/", "/admin/reviews/review/", f"/admin/reviews/review/{review.pk}/change/", "/admin/testing/testrun/",
        f"/admin/testing/testrun/{run.pk}/change/", "/admin/reviews/source/add/", "/admin/accounts/user/add/",
        "/admin/accounts/apitoken/add/", "/admin/django_celery_beat/periodictask/add/",
        "/admin/django_celery_beat/intervalschedule/add/",
    ):  # fmt: skip
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200
        assert page.locator("#content h1").first.is_visible(), path


@pytest.mark.parametrize("look", ["light", "dark"])
def test_health_is_accessible(window, look, queue, boss, accessible, overflow):
    page = window(color_scheme=look, viewport={"width": 390, "height": 800})
    queue.log_in(page, boss)
    page.goto("/admin/health/")
    accessible(page)
    assert overflow(page) == 0


def test_a_source_fits_a_phone(phone, queue, boss, overflow):
    source = Source.objects.get(name="charmers")
    queue.log_in(phone, boss)
    phone.goto(f"/admin/reviews/source/{source.pk}/change/")
    assert overflow(phone) == 0


def test_the_lists_show_all_their_columns_beside_a_long_title(page, queue, boss, make_review):
    review = make_review("Averyverylongname" * 10)
    TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="lxc"), revision="1", error="x" * 200)
    queue.log_in(page, boss)
    about = {"review": review, "revision": "a1" * 20, "number": 1, "error": "Launchpad answered 401."}
    VerdictPost.objects.create(verdict="fail", vote="Needs Fixing", **about)
    StatusReport.objects.create(
        remote_id=7, place="+status/7", result="Failed", summary="Tests could not be run to an end on lxc.", **about
    )
    for path in (
        "/admin/reviews/review/", "/admin/testing/testrun/", "/admin/reviews/source/",
        "/admin/integrations/verdictpost/", "/admin/integrations/statusreport/",
    ):  # fmt: skip
        page.goto(path)
        assert page.locator("#changelist .results").evaluate("table => table.scrollWidth - table.clientWidth") == 0
