"""Launchpad's webhooks bring an item up to date at once; nobody else can, and nothing in them is believed."""

import json
from itertools import count

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.launchpad.importing import import_source
from integrations.launchpad.webhooks import signature
from integrations.models import WebhookDelivery
from reviewqueue.celery import app
from reviews.models import Review, Source

URL = "/api/webhooks/launchpad/"
SECRET = "sekrit"
PROPOSAL = "~ada/charms/trusty/mysql/fix-1/+merge/1"


@pytest.fixture
def source(launchpad):
    launchpad.put("~ada", {"display_name": "Ada"})
    return Source.objects.create(
        name="all-charms", kind="project", target="charms", starts_tests="everybody", webhook_secret=SECRET
    )


@pytest.fixture
def deliver(client, source, django_capture_on_commit_callbacks):
    """Send a delivery as Launchpad does, and let the worker do what it enqueued."""
    app.conf.task_always_eager = True
    numbers = count(1)

    def send(event, payload, *, body=None, signed=None, secret=SECRET, number=None):
        body = json.dumps(payload).encode() if body is None else body
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(
                URL,
                body,
                content_type="application/json",
                headers={
                    "X-Hub-Signature": signature(secret, body) if signed is None else signed,
                    "X-Launchpad-Event-Type": event,
                    "X-Launchpad-Delivery": str(number or next(numbers)),
                },
            )

    yield send
    app.conf.task_always_eager = False


def changed(path=PROPOSAL, action="modified"):
    return {"merge_proposal": "/" + path, "action": action, "old": {}, "new": {"queue_status": "Merged"}}


def test_the_signature_is_the_one_that_launchpad_makes():
    assert signature("sekrit", b'{"foo": "bar"}') == "sha1=de75f136c37d89f5eb24834468c1ecd602fa95dd"


def test_a_new_proposal_is_in_the_queue_at_once(deliver, launchpad):
    launchpad.proposal(1)
    answer = deliver("merge-proposal:0.1", changed(action="created"))
    assert (answer.status_code, Review.objects.get().state) == (202, "pending")
    assert Review.objects.get().test_runs.count() == 1


def test_what_launchpad_says_counts_and_not_what_the_delivery_says(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    launchpad.proposal(1, "Approved")
    assert deliver("merge-proposal:0.1", changed()).status_code == 202
    assert Review.objects.get().state == "ready"


def test_a_known_item_is_due_even_if_the_message_is_lost(client, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    Review.objects.update(due_at=timezone.now() + timezone.timedelta(hours=1))
    body = json.dumps(changed()).encode()
    with transaction.atomic():
        client.post(URL, body, content_type="application/json", headers={
            "X-Hub-Signature": signature(SECRET, body), "X-Launchpad-Event-Type": "merge-proposal:0.1",
        })  # fmt: skip
    assert Review.objects.due().count() == 1


def test_a_deleted_proposal_is_abandoned_in_whatever_order_its_deliveries_come(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    del launchpad.answers["/devel/" + PROPOSAL]
    deliver("merge-proposal:0.1", changed(action="deleted"), number=8)
    deliver("merge-proposal:0.1", changed(), number=7)
    assert Review.objects.get().state == "abandoned"


def test_a_proposal_that_was_deleted_before_it_was_read_is_no_review(deliver):
    assert deliver("merge-proposal:0.1", changed(action="created")).status_code == 202
    assert deliver("merge-proposal:0.1", changed(action="deleted")).status_code == 200
    assert not Review.objects.exists()


def test_an_item_that_the_source_does_not_hold_is_left_out(deliver, launchpad, source):
    Source.objects.filter(pk=source.pk).update(target="another-project")
    launchpad.proposal(1)
    deliver("merge-proposal:0.1", changed(action="created"))
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("kind", "target", "more"),
    [
        ("team-branches", "charmers", {"distribution": "charms"}),
        ("project", "charms", {}),
        ("requested-reviews", "charmers", {}),
    ],
)
def test_every_kind_of_source_knows_its_own_proposals(deliver, launchpad, source, kind, target, more):
    Source.objects.filter(pk=source.pk).update(kind=kind, target=target, **more)
    launchpad.collection(PROPOSAL + "/votes", [{"reviewer_link": launchpad.root + "~charmers"}])
    launchpad.proposal(1, votes_collection_link=f"{launchpad.root}{PROPOSAL}/votes")
    deliver("merge-proposal:0.1", changed(action="created"))
    assert Review.objects.count() == 1


def test_a_bug_and_its_comments(deliver, launchpad, source):
    Source.objects.filter(pk=source.pk).update(kind="distribution-bugs")
    launchpad.put("~bob", {"display_name": "Bob"})
    launchpad.bug(1)
    said = {"target": "/charms", "bug": "/bugs/1", "action": "created"}
    assert deliver("bug:0.1", said).status_code == 202
    assert Review.objects.get().state == "new"
    launchpad.collection(
        "bugs/1/messages", [launchpad.message(1, 0, "bob", "New"), launchpad.message(1, 1, "rev", "+1")]
    )
    assert deliver("bug:comment:0.1", {**said, "bug_comment": "/charms/+bug/1/comments/1"}).status_code == 202
    assert Review.objects.get().positive_votes == 1


def test_a_bug_without_a_branch_is_none_of_ours(deliver, launchpad, source):
    Source.objects.filter(pk=source.pk).update(kind="distribution-bugs")
    launchpad.bug(1)
    launchpad.collection("bugs/1/linked_branches", [])
    deliver("bug:0.1", {"target": "/charms", "bug": "/bugs/1", "action": "created"})
    assert not Review.objects.exists()


def test_a_push_brings_a_new_tip(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    launchpad.proposal(1, diff=2)
    push = {"bzr_branch": "/~ada/charms/trusty/mysql/fix-1", "old": {"revision_id": "a"}, "new": {"revision_id": "b"}}
    assert deliver("bzr:push:0.1", push).status_code == 202
    review = Review.objects.get()
    assert review.revision.endswith("+preview-diff/2")
    assert sorted(run.status for run in review.test_runs.all()) == ["canceled", "retry"]
    git = {"git_repository": "/~ada/charms/trusty/mysql/fix-1", "ref_changes": {"refs/heads/main": {}}}
    assert "Ignored" in deliver("git:push:0.1", git).json()["detail"]
    Review.objects.update(branch="refs/heads/main")
    assert deliver("git:push:0.1", git).status_code == 202


def test_a_push_may_name_any_refs(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    Review.objects.update(branch="refs/heads/main")
    for names, status in ((["\0", "\ud800"], 200), (["\0", *map(str, range(40_000)), "refs/heads/main"], 202)):
        push = {"git_repository": "/~ada/charms/trusty/mysql/fix-1", "ref_changes": {name: {} for name in names}}
        assert deliver("git:push:0.1", push).status_code == status


@pytest.mark.parametrize("signed", ["", "sha1=", "sha1=" + "0" * 40, "nonsense", "é"])
def test_what_is_not_signed_is_refused(deliver, launchpad, signed):
    launchpad.proposal(1)
    answer = deliver("merge-proposal:0.1", changed(), signed=signed)
    assert answer.status_code == 403
    assert "secret" in answer.json()["detail"]
    assert SECRET not in answer.content.decode()
    assert not Review.objects.exists()
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize("change", [{"active": False}, {"webhook_secret": ""}, {"webhook_secret": "another"}])
def test_the_secret_of_no_active_source_is_refused(deliver, source, change):
    Source.objects.filter(pk=source.pk).update(**change)
    assert deliver("ping", {"ping": True}).status_code == 403
    assert deliver("ping", {"ping": True}, secret="").status_code == 403


def test_a_delivery_counts_once(deliver, launchpad):
    launchpad.proposal(1)
    deliver("merge-proposal:0.1", changed(), number=5)
    asked = len(launchpad.asked)
    answer = deliver("merge-proposal:0.1", changed(), number=5)
    assert (answer.status_code, len(launchpad.asked)) == (200, asked)
    assert "already" in answer.json()["detail"]


def test_ping_and_events_of_tomorrow_are_answered_in_words(deliver):
    assert "Pong" in deliver("ping", {"ping": True}).json()["detail"]
    answer = deliver("snap:build:0.1", {"action": "created"})
    assert (answer.status_code, answer.json()["detail"][:7]) == (200, "Ignored")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 50_000])
def test_a_broken_body_is_a_400(deliver, body):
    assert deliver("merge-proposal:0.1", None, body=body).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        None, 7, "", "//evil.example.com/+merge/1", "http://evil.example.com/+merge/1", "/~ada/../../etc/+merge/1",
        "/~ada/%2e%2e/+merge/1", "/~ada/x?y=/+merge/1", "/~ada/x#/+merge/1", "/~ada\\evil/+merge/1", "/charms",
        "/a b/+merge/1", "/~ada/x/+merge/1\n",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_and_never_asked_for(deliver, launchpad, path):
    assert deliver("merge-proposal:0.1", {"merge_proposal": path, "action": "created"}).status_code == 400
    assert launchpad.asked == []


def test_a_body_beyond_all_bounds_is_a_413(deliver):
    assert deliver("ping", None, body=b" " * (1024 * 1024 + 1)).status_code == 413


def test_a_launchpad_that_is_down_loses_nothing(deliver, launchpad, source):
    launchpad.proposal(1)
    entry = launchpad.answers["/devel/" + PROPOSAL]
    launchpad.answers["/devel/" + PROPOSAL] = (500, {}, b"")
    assert deliver("merge-proposal:0.1", changed(action="created")).status_code == 202
    launchpad.answers["/devel/" + PROPOSAL] = entry
    launchpad.collection("charms", [launchpad.proposal(1)])
    assert import_source(source).added == 1


def test_get_is_not_allowed(client, db):
    assert client.get(URL).status_code == 405


@pytest.mark.parametrize("part", ["", "::create", "::push", "::review", "::edit", "::status-change", "::of-tomorrow"])
@pytest.mark.parametrize("action", ["modified", "reviewed", "of tomorrow", None])
def test_whatever_is_said_to_have_happened_the_item_is_looked_at(deliver, launchpad, source, part, action):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    launchpad.proposal(1, "Approved")
    assert deliver(f"merge-proposal:0.1{part}", changed(action=action)).status_code == 202
    assert Review.objects.get().state == "ready"


def test_an_item_is_known_by_its_number_whatever_its_path(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    old, new = PROPOSAL, "~renamed/charms/trusty/mysql/other/+merge/1"
    entry = launchpad.entry(old)
    launchpad.put(new, {**entry, "self_link": launchpad.root + new, "queue_status": "Approved"})
    launchpad.answers["/devel/" + old] = (301, {"Location": launchpad.root + new}, b"")
    assert "1 known items" in deliver("merge-proposal:0.1", changed(new)).json()["detail"]
    assert (Review.objects.count(), Review.objects.get().state) == (1, "ready")


def test_deleted_is_not_believed_while_the_item_is_there(deliver, launchpad, source):
    launchpad.collection("charms", [launchpad.proposal(1)])
    import_source(source)
    assert deliver("merge-proposal:0.1::delete", changed(action="deleted")).status_code == 202
    review = Review.objects.get()
    assert (review.state, review.reported_deleted) == ("pending", False)


def test_a_bug_of_any_target_is_known_by_its_number(deliver, launchpad, source):
    Source.objects.filter(pk=source.pk).update(kind="distribution-bugs")
    launchpad.collection("charms", [launchpad.bug(1)])
    import_source(Source.objects.get(pk=source.pk))
    answer = deliver("bug:0.1", {"target": "/charms", "bug": "/bugs/1", "action": "modified"})
    assert "1 known items" in answer.json()["detail"]
