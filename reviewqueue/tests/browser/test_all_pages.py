"""Every page in a real browser: axe-core finds nothing, it fits the window, and nothing moves once it is drawn."""

import pytest
from django.utils import timezone

from accounts.models import User
from integrations.notifications.models import Delivery
from integrations.notifications.unsubscribe import unsubscribe_url
from reviews.models import Diff, Source
from testing.models import Baseline, Substrate, TestRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = (
    "/", "/?group=waiting", "/?group=mine", "/?q=nothing", "/search/", "/search/?q=item", "/people/bjorn/", "/stats/",
    "/about/", "/next/", "/me/", "/me/token/", "/launchpad/connect/?next=/me/", "/reviews/{review}/",
    "/reviews/{review}/diff/", "/reviews/{review}/tests/", "/reviews/{review}/history/",
    "/reviews/{review}/test-runs/{run}/", "/reviews/{review}/test-runs/{run}/tests/0/",
    "/tests/?test=10-deploy&suite=charm",
    "/targets/", "/targets/{target}/", "/targets/{target}/test-runs/{target_run}/", "/account/",
    "/unsubscribe/{token}/",
)  # fmt: skip
ADMIN_PAGES = (
    "/admin/", "/admin/health/", "/admin/reviews/review/", "/admin/reviews/review/{review}/change/",
    "/admin/testing/testrun/", "/admin/testing/testrun/{run}/change/", "/admin/testing/job/add/",
    "/admin/reviews/source/", "/admin/reviews/source/{source}/change/", "/admin/accounts/user/",
    "/admin/accounts/user/{user}/change/", "/admin/integrations/ownpost/", "/admin/django_celery_beat/periodictask/",
    "/admin/notifications/channel/", "/admin/notifications/channel/add/", "/admin/notifications/delivery/",
    "/admin/notifications/delivery/mails/",
)  # fmt: skip
DIFF = """--- a/config.yaml
+++ b/config.yaml
@@ -1,2 +1,3 @@
 options:
-  port: 80
+  port: 8080
+  host: localhost
"""
MOVED_BY_DJANGO = 0.01  # scripts of its admin put icons and buttons in
# The sum of what moved without the reader's doing, and what it was.
SHIFTS = """() => new Promise(done => {
  const moved = [];
  let sum = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries().filter(entry => !entry.hadRecentInput)) {
      sum += entry.value;
      moved.push(...entry.sources.map(source => source.node && (source.node.outerHTML || source.node.textContent)));
    }
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => setTimeout(() => done([sum, ...moved.slice(0, 3)]), 50));
})"""
WINDOWS = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 800}}, id="dark-phone"),
]


@pytest.fixture
def boss(queue, reviewer) -> User:
    """Staff who reviews too, and so sees everything."""
    reviewer.is_staff = reviewer.is_superuser = True
    reviewer.email = "boss@example.org"
    reviewer.save()
    return reviewer


@pytest.fixture
def places(queue, boss, make_review) -> dict[str, int | str]:
    """What the addresses name."""
    review = make_review("An item <b>with</b> a long name " * 4, diff_url="https://x/1", negative_votes=1, square="red")
    make_review("Another item", days=40)
    diff = {"url": review.diff_marker, "revision": "1", "text": DIFF, "fetched_at": timezone.now()}
    Diff.objects.create(review=review, state=Diff.State.READY, **diff)
    substrate, _ = Substrate.objects.get_or_create(name="lxc")
    run = TestRun.objects.create(
        review=review, substrate=substrate, status="fail", revision="1", finished_at=timezone.now()
    )
    results = {"test": "10-deploy", "suite": "charm", "outcome": "fail", "standing": "elsewhere"}
    run.results.create(position=0, output="ERROR: unit is in error state", **results)
    source, _ = Source.objects.get_or_create(name="charmers", defaults={"kind": "project", "target": "charmers"})
    target = Baseline.objects.create(source=source, url="lp:mysql", name="lp:mysql")
    target_run = TestRun.objects.create(baseline=target, substrate=substrate, status="fail", finished_at=timezone.now())
    target_run.results.create(position=0, **results)
    Delivery.objects.create(user=boss, subject="[Review Queue] An item: tests failed", state="sent")
    return {
        "review": review.pk, "run": run.pk, "source": source.pk, "user": boss.pk, "target": target.pk,
        "target_run": target_run.pk, "token": unsubscribe_url(boss).split("/")[-2],
    }  # fmt: skip


@pytest.mark.parametrize("look", WINDOWS)
@pytest.mark.parametrize("paths", [pytest.param(PAGES, id="queue"), pytest.param(ADMIN_PAGES, id="admin")])
def test_a_page_is_accessible_fits_and_does_not_move(window, queue, look, paths, places, boss, accessible, overflow):
    page = window(**look, bypass_csp=True)  # axe-core writes styles; other tests keep to the policy
    queue.log_in(page, boss)
    faults = []
    for path in paths:
        answer = page.goto(path.format(**places))
        assert answer is not None
        assert answer.status == 200, path
        moved, *what = page.evaluate(SHIFTS)
        if moved > (MOVED_BY_DJANGO if path.startswith("/admin/") else 0):
            faults.append(f"{path} moves by {moved}: {what}")
        if overflow(page):
            faults.append(f"{path} is wider than its window")
        try:
            accessible(page)
        except AssertionError as error:
            faults.append(f"{path}: {error}")
    assert not faults, "\n".join(faults)
