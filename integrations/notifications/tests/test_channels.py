"""What channels are told, and that their addresses reach nothing but public services."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.notifications.find import find_news
from integrations.notifications.gather import gather_news
from integrations.notifications.models import Channel, Delivery, News
from integrations.notifications.post import is_public, problem_of
from integrations.notifications.send import CLAIM, claim_due, send_due
from integrations.notifications.tasks import send_notifications
from integrations.tests.scripted import ScriptedServer
from reviews.models import Review, Source
from testing.models import Server

LONG_AGO = timezone.now() - timedelta(days=10)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.NOTIFY_AFTER_SECONDS = 0
    settings.NOTIFY_PRIVATE_NETWORKS = True  # the service is on this machine


@pytest.fixture
def service():
    server = ScriptedServer()
    server.answers["/hook"] = (200, {}, b"ok")
    yield server
    server.stop()


@pytest.fixture
def channel(service, db):
    """A channel that is told of everything, at a service on this machine."""
    address = service.url.removeprefix("http://").rstrip("/")
    return Channel.objects.create(
        name="team", url=f"json://{address}/hook", new_items=True, verdicts=True, waits_days=7, trouble=True,
        since=LONG_AGO,
    )  # fmt: skip


def subjects():
    return list(Delivery.objects.order_by("pk").values_list("subject", "state"))


def test_a_new_item_reaches_the_service(review, channel, service):
    send_notifications()
    assert subjects() == [("1 item", "sent")]
    [request] = service.asked
    assert json.loads(request["body"])["title"] == "[Review Queue] Fix <b>mysql</b>: new"


def test_many_items_are_one_message(review, channel):
    for number in range(30):
        item = Review.objects.get(pk=review.pk)
        item.pk, item.number, item.api_url = None, 100 + number, f"{item.api_url}{number}"
        item.save()
    send_notifications()
    assert [subject for subject, _ in subjects()] == ["31 items"]


def test_a_channel_of_a_source_is_told_of_its_items_alone(review, channel):
    Channel.objects.update(source=Source.objects.get(name="charms"))
    send_notifications()
    assert subjects() == []


def test_no_channel_is_told_of_private_items(review, channel):
    review.source.private_items = "reviewers"
    review.source.save()
    Review.objects.update(private=True)
    send_notifications()
    assert subjects() == []


def test_verdicts_and_long_waits_are_told_once(review, channel, monkeypatch):
    Channel.objects.update(new_items=False)
    week_ago = timezone.now() - timedelta(days=7, minutes=1)
    Review.objects.update(verdict="pass", verdict_at=timezone.now(), turn_since=week_ago)
    find_news()
    find_news()
    assert sorted(News.objects.values_list("kind", flat=True)) == ["verdict", "waits"]


def test_what_waited_that_long_before_the_channel_was_made_is_not_told(review, channel):
    Channel.objects.update(new_items=False)
    Review.objects.update(turn_since=timezone.now() - timedelta(days=30))
    find_news()
    assert not News.objects.exists()


def test_trouble_is_told_when_it_lasts_and_when_it_is_over(channel, db):
    server = Server.objects.create(name="ci", url="https://ci.example.org", problem="It answers 503.")
    Server.objects.filter(pk=server.pk).update(failing_since=timezone.now() - timedelta(minutes=5))
    find_news()
    assert not News.objects.exists()
    Server.objects.filter(pk=server.pk).update(failing_since=timezone.now() - timedelta(minutes=20))
    find_news()
    find_news()
    Server.objects.filter(pk=server.pk).update(failing_since=None)
    find_news()
    find_news()
    assert list(News.objects.order_by("pk").values_list("kind", "words")) == [
        ("trouble", "ci does not work: It answers 503."),
        ("trouble-over", "It works again: ci does not work: It answers 503."),
    ]


def test_a_service_that_fails_is_tried_again_and_one_message_waits(review, channel, service):
    service.answers["/hook"] = (500, {}, b"")
    send_notifications()
    Review.objects.update(verdict="pass", verdict_at=timezone.now())
    send_notifications()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.error) == ("waiting", 1, "The service answered 500.")
    assert Channel.objects.get().failing_since
    Delivery.objects.update(due_at=timezone.now(), created_at=timezone.now() - timedelta(days=1, minutes=1))
    send_due()
    assert Delivery.objects.get().state == "given-up"


def test_it_recovers_and_tells_what_happened_meanwhile_in_one_message(review, channel, service):
    service.answers["/hook"] = (500, {}, b"")
    send_notifications()
    Review.objects.update(verdict="pass", verdict_at=timezone.now())
    service.answers["/hook"] = (200, {}, b"")
    Delivery.objects.update(due_at=timezone.now())
    send_notifications()
    send_notifications()
    assert [state for _, state in subjects()] == ["sent", "sent"]
    assert Channel.objects.get().failing_since is None


def test_what_a_dead_process_was_sending_is_maybe_sent_and_left_alone(review, channel, service, admin_client):
    find_news()
    delivery = Delivery.objects.create(channel=channel)
    claim_due()
    Delivery.objects.update(due_at=timezone.now() - CLAIM, begun_at=timezone.now() - CLAIM)  # and dies
    send_due()
    assert Delivery.objects.get().state == "maybe-sent"
    assert not service.asked
    form = {"action": "send_again", "_selected_action": [delivery.pk]}
    answer = admin_client.post("/admin/notifications/delivery/", form, follow=True)
    assert "1 message on the way again" in answer.content.decode()
    assert Delivery.objects.get().state == "waiting"


def test_private_networks_are_refused_with_the_reason(review, channel, service, settings):
    settings.NOTIFY_PRIVATE_NETWORKS = False
    send_notifications()
    delivery = Delivery.objects.get()
    assert delivery.state == "waiting"
    assert "127.0.0.1 is no public address" in delivery.error
    assert not service.asked


def test_what_a_dead_process_had_not_begun_to_send_is_sent(review, channel, service):
    find_news()
    gather_news()
    claim_due()  # and dies
    Delivery.objects.update(due_at=timezone.now() - CLAIM)
    send_due()
    assert Delivery.objects.get().state == "sent"
    assert len(service.asked) == 1


def test_a_service_that_fails_for_a_day_is_given_up_and_asked_less_and_less(review, channel, service):
    service.answers["/hook"] = (500, {}, b"")
    send_notifications()
    for _ in range(4):
        delivery = Delivery.objects.get()
        pause = delivery.due_at - timezone.now()
        assert pause > timedelta(minutes=0.9 * 2 ** (delivery.tries - 1))
        Delivery.objects.update(due_at=timezone.now())
        send_due()
    Delivery.objects.update(due_at=timezone.now(), created_at=timezone.now() - timedelta(days=1, minutes=1))
    send_due()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == ("given-up", "The service answered 500.")
    assert len(service.asked) == 6


def test_a_redirect_to_this_machine_is_not_followed(monkeypatch, service):
    """By the guard itself, in a process of its own: the address of the service counts as public."""
    service.answers["/away"] = (307, {"Location": "http://127.0.0.2:1/"}, b"")
    code = (
        "import sys; from integrations.notifications import post as p;"
        "p.is_public = lambda host: host == '127.0.0.1'; refused = []; import apprise;"
        "p.guard(private=False, refused=refused); print(p.post(sys.argv[1], 't', 'b', refused)['error'])"
    )
    address = service.url.replace("http://", "json://") + "away"
    done = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("127.0.0.2 is no public address.")


@pytest.mark.parametrize(
    "host",
    ["64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "192.0.0.8", "127.0.0.1", "10.1.2.3", "192.168.0.1",
     "172.16.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:127.0.0.1",
     "fd00::1", "0.0.0.0", "224.0.0.1", "100.64.0.1", "/run/some.sock", "localhost"],
)  # fmt: skip
def test_what_is_not_public_is_known(host):
    assert not is_public(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888"])
def test_what_is_public_is_known(host):
    assert is_public(host)


@pytest.mark.parametrize(
    "url", ["dbus://", "syslog://", "vapid://a@b.example.org", "gnome://", "no address", "nothing://x", "json://"]
)
def test_addresses_that_can_not_be_used_are_refused(url):
    assert problem_of(url)


def test_the_address_is_on_no_page_and_encrypted(channel, admin_client, service):
    page = admin_client.get(f"/admin/notifications/channel/{channel.pk}/change/").content.decode()
    listed = admin_client.get("/admin/notifications/channel/").content.decode()
    assert "/hook" not in page + listed
    stored = Channel.objects.raw("SELECT id, url AS name FROM notifications_channel")[0].name
    assert "hook" not in stored


def test_staff_make_a_channel_and_send_a_test_message(admin_client, service, db):
    address = service.url.removeprefix("http://").rstrip("/")
    form = {"name": "team", "url": f"json://{address}/hook", "new_items": "on", "active": "on"}
    answer = admin_client.post("/admin/notifications/channel/add/", form)
    assert answer.status_code == 302, answer.content
    channel = Channel.objects.get()
    form = {"action": "send_test_message", "_selected_action": [channel.pk], "back": channel.pk}
    admin_client.post("/admin/notifications/channel/", form)
    send_due()
    assert Delivery.objects.get().state == "sent"
    assert service.asked
    assert "sent" in admin_client.get(f"/admin/notifications/channel/{channel.pk}/change/").content.decode()


def test_a_wrong_address_is_said_without_repeating_it(admin_client, db):
    form = {"name": "team", "url": "jsonn://user:s3cret@example.org", "active": "on"}
    page = admin_client.post("/admin/notifications/channel/add/", form).content.decode()
    assert "apprise does not know jsonn://" in page
    assert "s3cret" not in page


def test_a_paused_channel_is_told_nothing_of_the_pause(review, channel, admin_client):
    form = {"action": "pause", "_selected_action": [channel.pk]}
    admin_client.post("/admin/notifications/channel/", form)
    send_notifications()
    admin_client.post("/admin/notifications/channel/", form | {"action": "resume"})
    send_notifications()
    assert subjects() == []
