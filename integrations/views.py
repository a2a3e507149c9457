"""Connecting with Launchpad, and writing on a review in one's own name (docs/specification.md, section 6)."""

from __future__ import annotations

from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from integrations import connections, drafts
from integrations.forms import LineCommentForm, OwnReviewForm
from integrations.launchpad.client import web_root
from integrations.models import LaunchpadConnection
from integrations.panels import own_posts_context
from reviews.models import Review
from reviews.views.review import review_button

BACK_KEY = "launchpad_connected_back"  # in the session: the page to come back to
NOT_A_BUTTON = "Nothing was changed: use one of the buttons."


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # every view here asks for a login first
    return request.user


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    """Say what connecting with Launchpad allows; POST sends the browser to Launchpad, which asks the person."""
    user = _user(request)
    if request.method == "POST":
        try:
            page = connections.begin(request.session, user, request.build_absolute_uri(reverse("launchpad-connected")))
        except connections.NotConnected as problem:
            messages.error(request, str(problem))
            return redirect("launchpad-connect")
        return redirect(page)
    back = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        request.session[BACK_KEY] = back
    context = {
        "connection": LaunchpadConnection.objects.filter(user=user).first(),
        "access": LaunchpadConnection.Access(connections.wanted_access()).label,
    }
    # Browsers ask of the address that a form's answer leads to whether the form may go there.
    root = urlsplit(web_root())
    lets_out = csp_update({"form-action": [f"{root.scheme}://{root.netloc}"]})
    return lets_out(lambda asked: render(asked, "integrations/connect.html", context))(request)  # type: ignore[return-value]


@never_cache
@login_required
@require_safe
def connected(request: HttpRequest) -> HttpResponse:
    """Launchpad has sent the browser back, whatever the person chose there."""
    try:
        connection = connections.finish(request.session, _user(request), request.GET.get("state", ""))
    except connections.NotConnected as problem:
        messages.error(request, str(problem))
        return redirect("launchpad-connect")
    messages.success(request, f"You are connected with Launchpad as {connection.name}.")
    return redirect(request.session.pop(BACK_KEY, "") or "account")


@login_required
@require_POST
def disconnect(request: HttpRequest) -> HttpResponse:
    """Forget the person's token."""
    connection = LaunchpadConnection.objects.filter(user=_user(request)).first()
    if connection:
        connections.disconnect(_user(request))
        messages.success(
            request,
            format_html(
                "You are not connected any more: the queue has forgotten your token. Launchpad lists it until you "
                '<a href="{}" rel="noopener">revoke it there</a> too.',
                connections.tokens_page(connection.name),
            ),
        )
    return redirect("account")


@review_button
def own_review(request: HttpRequest, pk: int) -> HttpResponse:
    """The buttons of *Your review*: post it, keep it, throw it away, and what can be done about earlier posts.

    A script that keeps what is typed asks for JSON.
    """
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    # The buttons of the votes post it; all others say what they do.
    action = request.POST.get("action", "post" if "vote" in request.POST else "")
    wants_json = request.headers.get("accept", "").startswith("application/json")
    if action in ("post", "save"):
        form = OwnReviewForm(request.POST, review)
        if not form.is_valid():
            if wants_json:
                return JsonResponse({"problem": form.problem()}, status=400)
            messages.error(request, f"Nothing was changed. {form.problem()}")
            return redirect(review)
        elif action == "save" and wants_json:
            return _saved(_user(request), review, form)
        elif action == "save":
            _, is_behind = drafts.save_draft(_user(request), review, form.written())
            messages.success(request, "Your draft is kept." + (f" {OTHER_TAB}" if is_behind else ""))
        elif not _send(request, review, form):
            return redirect(review)  # where the message stands
    elif action == "discard":
        drafts.discard(_user(request), review)
    elif not _change(request, review, action):
        messages.error(request, NOT_A_BUTTON)
        return redirect(review)
    return redirect(f"{review.get_absolute_url()}#your-review")


OTHER_TAB = "In another tab you had written something else: it is kept below."


def _saved(user: User, review: Review, form: OwnReviewForm) -> HttpResponse:
    draft, is_behind = drafts.save_draft(user, review, form.written())
    return JsonResponse({"version": draft.version, "other": draft.other_text if is_behind else ""})


def _send(request: HttpRequest, review: Review, form: OwnReviewForm) -> bool:
    try:
        drafts.send(_user(request), review, form.written())
    except drafts.NotSent as problem:
        messages.error(request, str(problem))
        return False
    return True


def _change(request: HttpRequest, review: Review, action: str) -> bool:
    """What is done about one post or one comment on a line, which the button names: ``edit-7``. False for no button."""
    verb, _, number = action.partition("-")
    if not number.isdecimal() or len(number) > 18:
        return False
    user = _user(request)
    if verb == "edit":
        drafts.edit_again(user, review, int(number))
    elif verb == "dismiss":
        drafts.dismiss(user, review, int(number))
    elif verb == "remove":
        drafts.remove_line_comment(user, review, int(number), request.POST.get(f"line-text-{number}", ""))
    else:
        return False
    return True


@never_cache
@login_required
@require_safe
def own_posts(request: HttpRequest, pk: int) -> HttpResponse:
    """What has become of the person's posts on a review, as a part of its page. Three queries."""
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    return render(request, "integrations/_own_posts.html", own_posts_context(_user(request), review))


@review_button
def line_comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a comment on a line of the diff to the person's draft; a script asks for JSON."""
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    wants_json = request.headers.get("accept", "").startswith("application/json")
    form = LineCommentForm(request.POST, review)
    problem, count = "", 0
    if form.is_valid():
        data = form.cleaned_data
        try:
            draft = drafts.add_line_comment(
                _user(request), review, data["diff_number"], data["line"], data["text"], where=data.get("where", "")
            )
            count = len(draft.inline_comments)
        except drafts.NotSent as reason:
            problem = str(reason)
    else:
        problem = next(str(problems[0]) for problems in form.errors.values())
    if wants_json:
        return JsonResponse({"problem": problem} if problem else {"count": count}, status=400 if problem else 200)
    if problem:
        messages.error(request, f"Your comment was not kept. {problem}")
    else:
        messages.success(request, "Kept in your draft. It is posted with your review.")
    place = form.cleaned_data.get("place", "")
    return redirect(f"{review.get_absolute_url()}diff/{f'#{place}' if place else ''}")
