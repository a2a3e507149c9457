"""Login with Launchpad / Ubuntu SSO (OpenID), where ``LAUNCHPAD_LOGIN`` is on.

Both providers are one service: the tail of an identity URL is the same on either. It is what identifies a
person; the nickname, which is the name on Launchpad, can change hands.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from openid import fetchers
from social_core.backends.launchpad import LaunchpadOpenId
from social_core.backends.open_id import OpenIdAuth
from social_core.exceptions import AuthCanceled, AuthPolicyError, AuthProviderError, SocialAuthBaseException
from social_django import views
from social_django.models import UserSocialAuth

from accounts.backends import AccountBackend
from accounts.models import Person, User

NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,149}")  # of a person on Launchpad
IDENTITY = re.compile(r"/\+id/([A-Za-z0-9]{1,100})")
TIMEOUT_SECONDS = 10
MAX_ANSWER = 8000  # characters of an answer that comes as a form
SERVICES = [("launchpad", "Launchpad"), ("ubuntu", "Ubuntu One")]  # names of the backends below, what pages call them
PROVIDERS = [name for name, _ in SERVICES]

CANCELLED = "The login was cancelled. Nothing was changed."
UNREACHABLE = "The login service did not answer, or not as it should. Try again in a few minutes."
UNPROVEN = (
    "The answer of the login service is not valid: it is too old, for another browser, or was altered. Try again."
)
NAMELESS = "The login service did not say your name on Launchpad. Allow it to send your username, and have a Launchpad \
account."
TAKEN = (
    "An account named {name} is here already. If it is yours, log in with its password and connect Launchpad on the \
page Your account; else ask staff."
)
ELSEWHERE = "You are logged in here as {here}, but on Launchpad as {name}. Log out here or there first."
INACTIVE = "Your account here has been switched off. Ask staff."


class Fetcher(fetchers.Urllib2Fetcher):
    """Fetches from the login services only: the URL comes from the answer to a login, which anybody can forge."""

    def __init__(self) -> None:
        self.opener = urllib.request.build_opener(Redirects())

    def urlopen(self, request: urllib.request.Request) -> Any:
        refuse_elsewhere(request.full_url)
        return self.opener.open(request, timeout=TIMEOUT_SECONDS)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects among the login services."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        refuse_elsewhere(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def refuse_elsewhere(url: str) -> None:
    """Raise URLError unless the URL is on one of the login services."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in settings.LOGIN_SERVICES.values():
        raise urllib.error.URLError("not on a login service")


fetchers.setDefaultFetcher(Fetcher())


class Service(OpenIdAuth):
    """What both services have in common."""

    USERNAME_KEY = "nickname"

    @property
    def URL(self) -> str:  # type: ignore[override]
        return str(settings.LOGIN_SERVICES[self.name])

    def uses_redirect(self) -> bool:
        """Always: the other way is a page whose script sends a form, and we allow no script in pages."""
        return True

    def get_user(self, user_id: Any) -> User | None:
        """As for a password's session: with the person, and None when switched off."""
        return AccountBackend().get_user(user_id)


class LaunchpadLogin(Service, LaunchpadOpenId):  # type: ignore[override]
    """login.launchpad.net"""


class UbuntuLogin(Service):
    """login.ubuntu.com"""

    name = "ubuntu"
    title = "Ubuntu One"


def identify(backend: Service, details: dict[str, Any], response: Any, **_: Any) -> dict[str, Any]:
    """Pipeline: who it is (``uid``) and their name on Launchpad, or a refusal."""
    identity = str(response.identity_url or "")
    found = IDENTITY.fullmatch(identity.removeprefix(backend.URL)) if identity.startswith(backend.URL) else None
    if found is None:
        raise AuthPolicyError(backend, UNPROVEN)
    # Not details["username"]: without a nickname that is made of the full name, which anybody chooses.
    nickname = str(details.get("nickname") or "")
    if not NAME.fullmatch(nickname):
        raise AuthPolicyError(backend, NAMELESS)
    return {"uid": found[1], "nickname": nickname}


def join(
    backend: Service, details: dict[str, Any], uid: str, nickname: str, user: User | None = None, **_: Any
) -> dict[str, Any]:
    """Pipeline: the account of this identity, made on its first login, joined to the person of the name.

    An existing account is joined only to the identity of somebody who is logged in to it: no login can take it over.
    """
    try:
        with transaction.atomic():
            return _join(backend, str(details.get("fullname") or ""), uid, nickname, user)
    except IntegrityError:  # somebody logged in with the same name at the same moment
        raise AuthPolicyError(backend, TAKEN.format(name=nickname)) from None


def _join(backend: Service, full_name: str, uid: str, nickname: str, logged_in: User | None) -> dict[str, Any]:
    known = UserSocialAuth.objects.filter(provider__in=PROVIDERS, uid=uid).select_related("user").first()
    account: User | None = known.user if known else None
    if logged_in is not None and (account != logged_in if account else logged_in.username != nickname):
        raise AuthPolicyError(backend, ELSEWHERE.format(here=logged_in.username, name=nickname))
    account = account or logged_in
    namesakes = User.objects.filter(username__iexact=nickname) | User.objects.filter(person__username=nickname)
    if any(namesake != account for namesake in namesakes):
        raise AuthPolicyError(backend, TAKEN.format(name=nickname))
    is_new = account is None
    account = account or User.objects.create_user(nickname)
    if not account.is_active:
        raise AuthPolicyError(backend, INACTIVE)
    person, _ = Person.objects.get_or_create(username=nickname, defaults={"display_name": full_name[:255]})
    if person.is_team:
        raise AuthPolicyError(backend, NAMELESS)
    if (account.username, account.person) != (nickname, person):  # new, or has another name on Launchpad now
        account.username, account.person = nickname, person
        account.save(update_fields=["username", "person"])
    social = known or UserSocialAuth.objects.create(user=account, provider=backend.name, uid=uid)
    return {"user": account, "social": social, "is_new": is_new}


def reason_of(error: SocialAuthBaseException) -> str:
    """Why a login did not succeed, for the person who tried."""
    if isinstance(error, AuthCanceled):
        return CANCELLED
    if isinstance(error, AuthPolicyError):
        return error.detail
    return UNREACHABLE if isinstance(error, AuthProviderError) else UNPROVEN


def where_enabled(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view where ``LAUNCHPAD_LOGIN`` is on, else 404; what it refuses is explained on a page."""

    @wraps(view)
    def guarded(request: HttpRequest, backend: str) -> HttpResponse:
        if not settings.LAUNCHPAD_LOGIN or backend not in PROVIDERS:
            raise Http404
        try:
            return view(request, backend)
        except (SocialAuthBaseException, fetchers.HTTPFetchingError) as error:
            reason = reason_of(error) if isinstance(error, SocialAuthBaseException) else UNREACHABLE
            return render(request, "accounts/sso_failed.html", {"reason": reason}, status=403)

    return guarded


@where_enabled
def begin(request: HttpRequest, backend: str) -> HttpResponse:
    """Send the browser to the login service (POST)."""
    return views.auth(request, backend)


@csrf_exempt  # the service's answer is signed, and bound to the session that asked
@where_enabled
def complete(request: HttpRequest, backend: str) -> HttpResponse:
    """The service's answer."""
    if request.method == "POST":  # a long answer comes as a form, and a form from elsewhere comes without our cookie
        query = _query_and_form(request).urlencode()
        if len(query) > MAX_ANSWER:
            raise AuthPolicyError(None, UNPROVEN)
        return redirect(f"{request.path}?{query}")
    was_logged_in = request.user.is_authenticated
    answer = views.complete(request, backend)
    if was_logged_in:
        messages.success(request, "Your account is connected with Launchpad.")
    return answer


def _query_and_form(request: HttpRequest) -> Any:
    merged = request.GET.copy()
    merged.update(request.POST.dict())
    return merged
