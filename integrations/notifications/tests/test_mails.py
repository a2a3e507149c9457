"""Mail servers that are away, and stopping all mail."""

import smtplib
import socket
import threading
from datetime import timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from accounts.models import Person, User
from integrations.notifications.models import Delivery, News, Preferences
from integrations.notifications.send import CLAIM, claim_due, send_due
from integrations.notifications.tasks import send_notifications
from integrations.notifications.unsubscribe import unsubscribe_url
from reviewqueue.operations.pruning import prune
from reviews.models import Comment

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def user(review):
    return User.objects.create_user("ada", "ada@example.org", "s3cret-word", person=review.owner)


@pytest.fixture
def mails(user):
    """Three test messages that are due."""
    return [Delivery.objects.create(user=user, is_test=True, created_at=timezone.now()) for _ in range(3)]


@pytest.fixture
def silent():
    """The port of a mail server that takes connections and says nothing; and how many it took."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], taken
    for connection in taken:
        connection.close()


@pytest.fixture
def digest(user):
    """Not a test message: it is tried again."""
    return Delivery.objects.create(user=user, is_digest=True)


def test_a_server_that_says_nothing_is_asked_once_a_call(user, silent, settings, monkeypatch):
    port, taken = silent
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", port
    settings.EMAIL_TIMEOUT = 0.2
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    for _ in range(3):
        Delivery.objects.create(user=user, is_test=True)
    assert send_due() == 0
    assert len(taken) == 1
    assert "does not answer" in Delivery.objects.first().error
    assert not Delivery.objects.due().exists()


def message(delivery):
    from integrations.notifications.compose import Message

    return Message("test", "text", "<p>text</p>", "https://queue.example.org/unsubscribe/x/", "test")


def test_a_server_that_refuses_connections_is_tried_again_later(digest, settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", port
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    send_due()
    digest.refresh_from_db()
    assert (digest.state, digest.tries) == ("waiting", 1)
    assert digest.due_at > timezone.now()


def test_an_address_that_the_server_refuses_for_good_is_given_up(digest, monkeypatch):
    def refuse(self, **_):
        raise smtplib.SMTPRecipientsRefused({"ada@example.org": (550, b"no such user")})

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    send_due()
    digest.refresh_from_db()
    assert (digest.state, digest.error) == ("given-up", "The mail server does not take the address (550).")


def test_a_mail_on_which_the_server_breaks_off_holds_up_no_other(user, monkeypatch, mailoutbox):
    bad = Delivery.objects.create(user=user, is_digest=True)
    good = Delivery.objects.create(user=user, is_test=True)
    send = EmailMultiAlternatives.send

    def break_off(self, **more):
        if self.extra_headers["Message-ID"] == bad.message_id:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        return send(self, **more)

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", break_off)
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    send_due()
    assert [mail.extra_headers["Message-ID"] for mail in mailoutbox] == [good.message_id]
    bad.refresh_from_db()
    assert (bad.state, bad.error) == ("waiting", "The mail server broke off (SMTPServerDisconnected).")


def test_a_server_that_asks_for_something_else_first_is_tried_again(digest, monkeypatch):
    def refuse(self, **_):
        raise smtplib.SMTPSenderRefused(530, b"Must issue STARTTLS", "a@example.org")

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    send_due()
    digest.refresh_from_db()
    assert (digest.state, digest.error) == ("waiting", "The mail server answered 530.")


def test_a_server_that_drips_is_left(digest, dripping, settings, monkeypatch):
    host, _, port = dripping(b"220-").removeprefix("http://").rstrip("/").partition(":")
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, host, int(port)
    monkeypatch.setattr("integrations.notifications.send.MAIL_SECONDS", 0.5)
    monkeypatch.setattr("integrations.notifications.send.compose", message)
    send_due()
    digest.refresh_from_db()
    assert (digest.state, digest.tries) == ("waiting", 1)
    assert "does not answer" in digest.error


def test_an_error_of_ours_in_one_message_stops_no_other(mails, digest, monkeypatch, mailoutbox):
    def fail(delivery):
        if delivery.pk == digest.pk:
            raise KeyError("x")
        return message(delivery)

    monkeypatch.setattr("integrations.notifications.send.compose", fail)
    send_due()
    digest.refresh_from_db()
    assert (digest.state, digest.error) == ("waiting", "The message can't be written (KeyError).")
    assert len(mailoutbox) == 3


def test_pruning_makes_nobody_be_told_again(user, review, mailoutbox, settings):
    settings.NOTIFY_AFTER_SECONDS = 0
    Preferences.objects.create(user=user, reviewed=True, since=timezone.now() - timedelta(days=9))
    Comment.objects.create(
        review=review, author=Person.objects.create(username="bob"), number=1, api_url="c", content="x",
        created_at=timezone.now() - timedelta(days=2),
    )  # fmt: skip
    send_notifications()
    News.objects.update(created_at=timezone.now() - timedelta(days=2))
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=2))
    prune(days=1)
    send_notifications()
    assert len(mailoutbox) == 1


def test_a_mail_whose_process_died_is_sent_with_the_same_message_id(mails, mailoutbox):
    [first, *_] = claim_due()
    Delivery.objects.update(due_at=timezone.now() - CLAIM)
    send_due()
    assert first.message_id in [mail.message()["Message-ID"] for mail in mailoutbox]
    assert len(mailoutbox) == 3


def test_mails_go_each_once_with_several_processes_at_once(mails, mailoutbox):
    taken = claim_due()
    assert send_due() == 0
    assert len(taken) == 3


def test_the_link_asks_first_and_a_press_stops_all_mail(user, client):
    path = unsubscribe_url(user).removeprefix("http://localhost:8000")
    page = client.get(path).content.decode()
    assert "Stop all mail" in page
    assert not Preferences.objects.exists()
    answer = client.post(path, {"List-Unsubscribe": "One-Click"})
    assert "sends you no mail any more" in answer.content.decode()
    assert Preferences.objects.get().stopped_at


def test_a_mail_program_needs_no_csrf_token_and_no_login(user, client):
    client.handler.enforce_csrf_checks = True
    assert client.post(unsubscribe_url(user).removeprefix("http://localhost:8000")).status_code == 200


@pytest.mark.parametrize("token", ["x", "WyIxIiwiYSJd:zzz"])
def test_a_broken_link_is_said(client, db, token):
    answer = client.get(f"/unsubscribe/{token}/")
    assert answer.status_code == 404
    assert "This address stops no mail" in answer.content.decode()


def test_what_waits_is_dropped_when_mail_was_stopped(user, digest, client, mailoutbox):
    client.post(unsubscribe_url(user).removeprefix("http://localhost:8000"))
    send_due()
    digest.refresh_from_db()
    assert (digest.state, len(mailoutbox)) == ("dropped", 0)


def test_a_person_chooses_on_their_account_page(user, client):
    client.force_login(user)
    assert "Send me a mail when" in client.get("/account/").content.decode()
    form = {"reviewed": "on", "how": "digest", "digest_hour": "7", "time_zone": "Europe/Berlin"}
    answer = client.post("/me/notifications/", form, follow=True)
    assert "Your choice is kept." in answer.content.decode()
    kept = Preferences.objects.get()
    assert (kept.reviewed, kept.my_runs, kept.how, kept.digest_hour, kept.time_zone) == (
        True, False, "digest", 7, "Europe/Berlin",
    )  # fmt: skip


def test_a_choice_that_is_not_valid_changes_nothing_and_says_what_is_wrong(user, client):
    client.force_login(user)
    form = {"how": "hourly", "digest_hour": "25", "time_zone": "Mars/Olympus"}
    answer = client.post("/me/notifications/", form)
    assert answer.status_code == 400
    assert answer.content.decode().count('class="problem"') == 3
    assert not Preferences.objects.exists()


def test_saving_a_choice_starts_mail_again(user, client):
    Preferences.objects.create(user=user, stopped_at=timezone.now())
    client.force_login(user)
    client.post("/me/notifications/", {"my_runs": "on", "how": "at-once", "digest_hour": "8", "time_zone": "UTC"})
    assert Preferences.objects.get().stopped_at is None


def test_a_person_sends_themselves_a_test_message(user, client, mailoutbox):
    client.force_login(user)
    client.post("/me/notifications/test/")
    send_due()
    assert [mail.to for mail in mailoutbox] == [["ada@example.org"]]


def test_the_admin_shows_mails_that_land_in_a_folder(user, mails, admin_client, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    send_due()
    page = admin_client.get("/admin/notifications/delivery/mails/").content.decode()
    assert page.count("ada@example.org") == 3
    assert "Mails in the folder" in admin_client.get("/admin/notifications/delivery/").content.decode()
