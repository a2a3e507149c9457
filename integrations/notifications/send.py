"""Sending messages, each once from our side, whatever crashes in between.

A message is claimed, sent outside of any transaction, and marked. When the process dies in between, a mail is sent
again with the same Message-ID, so that it is shown once; what went to a channel is *maybe sent*, and a person decides.
"""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from integrations.notifications.compose import Message, compose
from integrations.notifications.models import MAX_TRYING, Channel, Delivery

logger = structlog.get_logger(__name__)

CLAIM = timedelta(minutes=10)  # after which the claim of a process that died is free
AT_ONCE = 20  # messages that are claimed together
TIME_LIMIT_SECONDS = 45.0  # after which the rest is left to the next call
MAIL_SECONDS = 30.0  # that the mail server may take to greet, and to take one mail
CHANNEL_SECONDS = 30.0  # that one message to a channel may take
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


class MailServerDown(Exception):
    """The mail server does not answer; ``str()`` says how."""


class NotSent(Exception):
    """It was not sent; ``str()`` says why. ``final``: another try would not help. ``maybe``: nobody knows."""

    def __init__(self, words: str, *, final: bool = False, maybe: bool = False) -> None:
        super().__init__(words)
        self.final, self.maybe = final, maybe


def send_due() -> int:
    """Send what is due, for less than a minute. Any number of processes may do it at once. Returns how many went.

    A mail server that can't be reached is asked once a call: the other mails wait with the first.
    """
    deadline, sent = time.monotonic() + TIME_LIMIT_SECONDS, 0
    mails, is_down = get_connection(), False
    try:
        while time.monotonic() < deadline and (claimed := claim_due()):
            for number, delivery in enumerate(claimed):
                if time.monotonic() >= deadline:
                    _release(claimed[number:])
                    break
                if is_down and delivery.channel_id is None:
                    continue  # put off with the first
                try:
                    sent += send_one(delivery, mails)
                except MailServerDown as problem:
                    is_down = True
                    _release([each for each in claimed[number + 1 :] if each.channel_id is None])
                    _put_off_mails(delivery, problem)
    finally:
        if not is_down:  # what does not answer does not say goodbye
            mails.close()
    return sent


def _release(deliveries: list[Delivery]) -> None:
    """Leave claimed messages to the next call."""
    keys = [each.pk for each in deliveries]
    Delivery.objects.filter(pk__in=keys, state=Delivery.State.SENDING).update(
        state=Delivery.State.WAITING, due_at=timezone.now()
    )


def _put_off_mails(first: Delivery, problem: Exception) -> None:
    """All mails that are due wait as long as the one that the server did not take."""
    due = Delivery.objects.due().filter(channel=None, state=Delivery.State.WAITING).exclude(pk=first.pk)
    due.update(due_at=timezone.now() + _pause(first.tries), error=str(problem))


def claim_due() -> list[Delivery]:
    """Take some of the due messages: each goes to exactly one process."""
    with transaction.atomic():
        due = Delivery.objects.due().select_for_update(of=("self",), skip_locked=True).order_by("due_at", "pk")
        rows = list(due[:AT_ONCE])
        unsure = [row.pk for row in rows if row.channel_id and row.begun_at and row.state == Delivery.State.SENDING]
        Delivery.objects.filter(pk__in=unsure).update(
            state=Delivery.State.MAYBE_SENT,
            error="The process that sent it died: nobody knows whether it arrived. Staff can send it again.",
        )
        keys = [row.pk for row in rows if row.pk not in unsure]
        Delivery.objects.filter(pk__in=keys).update(
            state=Delivery.State.SENDING, due_at=timezone.now() + CLAIM, begun_at=None
        )
    taken = Delivery.objects.filter(pk__in=keys).select_related("user__person", "user__notification_preferences")
    return list(taken.select_related("user", "user__person", "channel__source", "review").order_by("pk"))


def send_one(delivery: Delivery, mails: BaseEmailBackend) -> bool:
    """Send one claimed message and write down what became of it. Raises MailServerDown when that is written."""
    if reason := why_not(delivery):
        _end(delivery, Delivery.State.DROPPED, reason)
        return False
    delivery.tries += 1
    try:
        message = compose(delivery)
    except Exception as error:  # an error of ours in one message stops no other
        logger.exception("notification not written", delivery=delivery.pk)
        Delivery.objects.filter(pk=delivery.pk).update(tries=delivery.tries)
        _failed(delivery, NotSent(f"The message can't be written ({type(error).__name__})."))
        return False
    if message is None:
        _end(delivery, Delivery.State.DROPPED, "What it was to tell is over, or may not be seen any more.")
        return False
    Delivery.objects.filter(pk=delivery.pk).update(subject=message.kept, tries=delivery.tries, begun_at=timezone.now())
    try:
        if delivery.channel:
            post_to(delivery.channel, message)
        else:
            mail_to(delivery, message, mails)
    except NotSent as problem:
        _failed(delivery, problem)
        return False
    except MailServerDown as problem:
        _failed(delivery, NotSent(str(problem)))
        raise
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING).update(
        state=Delivery.State.SENT, sent_at=timezone.now(), error=""
    )
    if delivery.channel_id:
        Channel.objects.filter(pk=delivery.channel_id).update(failing_since=None, last_error="")
    return True


def why_not(delivery: Delivery) -> str:
    """Why it is not sent at all; empty when it is."""
    if delivery.channel:
        return "" if delivery.channel.active or delivery.is_test else "The channel is switched off."
    user = delivery.user
    if user is None or not user.is_active:
        return "The account is switched off."
    if not user.email:
        return "The account has no address."
    preferences = getattr(user, "notification_preferences", None)
    if preferences and preferences.stopped_at and not delivery.is_test:
        return "They stopped all mail."
    return ""


def mail_to(delivery: Delivery, message: Message, connection: BaseEmailBackend) -> None:
    """Send a mail. Raises NotSent or MailServerDown."""
    headers = {
        "Message-ID": delivery.message_id,
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{message.unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    if delivery.review_id:  # the mails on one item belong together
        domain = delivery.message_id.rpartition("@")[2]
        headers["References"] = headers["In-Reply-To"] = f"<review-{delivery.review_id}@{domain}"
    user: User | None = delivery.user
    mail = EmailMultiAlternatives(
        message.subject, message.text, to=[user.email if user else ""], headers=headers, connection=connection
    )
    mail.attach_alternative(message.html, "text/html")
    try:
        within(MAIL_SECONDS, connection.open)
    except (OSError, smtplib.SMTPException) as problem:
        raise MailServerDown(f"The mail server does not answer ({type(problem).__name__}).") from None
    try:
        within(MAIL_SECONDS, mail.send)
    except smtplib.SMTPRecipientsRefused as problem:
        code = next(iter(problem.recipients.values()), (0, b""))[0]
        raise NotSent(f"The mail server does not take the address ({code}).", final=500 <= code < 600) from None
    except smtplib.SMTPDataError as problem:
        words = f"The mail server does not take the mail ({problem.smtp_code})."
        raise NotSent(words, final=500 <= problem.smtp_code < 600) from None
    except smtplib.SMTPResponseException as problem:
        raise NotSent(f"The mail server answered {problem.smtp_code}.") from None
    except TimeoutError:
        raise MailServerDown("The mail server does not come to an end.") from None
    except (OSError, smtplib.SMTPException) as problem:
        connection.close()  # the next mail gets a connection of its own
        raise NotSent(f"The mail server broke off ({type(problem).__name__}).") from None
    except ValueError as problem:  # an address that is none
        raise NotSent(f"The mail can't be written ({type(problem).__name__}).", final=True) from None


def within(seconds: float, call: Callable[[], object]) -> None:
    """Call it, and raise what it raises; TimeoutError when it takes longer, as where a server drips. Its thread is then
    left to itself."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if raised:
        raise raised[0]


def post_to(channel: Channel, message: Message) -> None:
    """Send a message to a channel, in a process of its own that is stopped after 30 seconds. Raises NotSent."""
    if not channel.url:
        raise NotSent("The address of the channel can't be read: enter it again.", final=True)
    order = {
        "url": channel.url, "title": message.subject, "body": message.text, "private": settings.NOTIFY_PRIVATE_NETWORKS,
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "integrations.notifications.post"],
            input=json.dumps(order) + "\n", capture_output=True, text=True, timeout=CHANNEL_SECONDS,
            cwd=Path(settings.BASE_DIR), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotSent(f"No answer came within {CHANNEL_SECONDS:.0f} seconds.", maybe=True) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise NotSent("The message can't be sent: apprise failed.", maybe=True) from None
    if not answer["sent"]:
        raise NotSent(answer["error"], maybe=answer["maybe"])


def _failed(delivery: Delivery, problem: NotSent) -> None:
    """Write down that it was not sent, and when it is tried again."""
    logger.warning("notification not sent", delivery=delivery.pk, reason=str(problem), maybe=problem.maybe)
    now = timezone.now()
    if delivery.channel_id:
        channel = Channel.objects.filter(pk=delivery.channel_id)
        channel.update(last_error=str(problem))
        channel.filter(failing_since=None).update(failing_since=now)
    if problem.maybe and delivery.channel_id:
        _end(delivery, Delivery.State.MAYBE_SENT, str(problem))
    elif problem.final or delivery.is_test or now - delivery.created_at > MAX_TRYING:
        _end(delivery, Delivery.State.GIVEN_UP, str(problem))
    else:
        Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING).update(
            state=Delivery.State.WAITING, due_at=now + _pause(delivery.tries), error=str(problem)
        )


def _pause(tries: int) -> timedelta:
    """How long it waits after so many tries: a minute at first, then twice as long each time, an hour at most."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 10))


def _end(delivery: Delivery, state: str, words: str) -> None:
    delivery.state = state
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.SENDING).update(state=state, error=words)
