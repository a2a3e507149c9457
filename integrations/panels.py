"""What writing from here adds to a review's page, and to the page *Your account*."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.panels import AccountPanel, register_account_panel
from integrations.connections import tokens_page
from integrations.forms import statuses_for
from integrations.models import LaunchpadConnection, OwnPost
from reviews.models import Comment, Review
from reviews.panels import Panel, Place, register_panel

SHOWN_FOR = timedelta(hours=1)  # a post whose comment has not come back from Launchpad yet


def your_review(request: HttpRequest, review: Review) -> dict[str, Any]:
    """The form in which a person comments and votes, and what became of their posts. Two queries; none for visitors."""
    if not isinstance(request.user, User):
        return {"is_visitor": True, "launchpad_form": launchpad_form(review), "version": ""}
    user = request.user
    posts = list(_shown(user, review))
    draft = next((post for post in posts if post.state == OwnPost.State.DRAFT), None)
    connection = LaunchpadConnection.objects.filter(user=user).first()
    return {
        "review": review,
        "draft": draft or OwnPost(),
        "connection": connection,
        "may_post": connection is not None and connection.is_usable,
        "key": secrets.token_urlsafe(16),
        "has_votes": review.kind == Review.Kind.UPDATE,
        "votes": OwnPost.Vote.choices,
        "statuses": statuses_for(review),
        "launchpad_form": launchpad_form(review),
        **_without_draft(posts),
    }


def line_comment(request: HttpRequest, review: Review) -> dict[str, Any] | None:
    """The form in which a person comments on a line of the diff. No query; none for visitors and bugs."""
    if not isinstance(request.user, User) or review.kind != Review.Kind.UPDATE:
        return None
    return {"review": review}


def own_posts_context(user: User, review: Review) -> dict[str, Any]:
    """What has become of the person's posts. One query."""
    return {"review": review, **_without_draft(list(_shown(user, review)))}


def own_posts_version(request: HttpRequest, review: Review) -> str:
    """Changes with whatever ``own_posts_context`` shows. One query; none for visitors."""
    return _version_of(list(_shown(request.user, review))) if isinstance(request.user, User) else ""


def launchpad_form(review: Review) -> str:
    """Where Launchpad itself has a form for a comment."""
    return f"{review.url}/+comment" if review.kind == Review.Kind.UPDATE else f"{review.url}/+addcomment"


def _shown(user: User, review: Review) -> Any:
    """The draft, what is on its way, what was not posted, and what was and is not among the comments yet."""
    imported = Comment.objects.filter(review=OuterRef("review"), number=OuterRef("comment_number"))
    fresh = Q(state=OwnPost.State.POSTED, posted_at__gte=timezone.now() - SHOWN_FOR) & ~Exists(imported)
    told = Q(state=OwnPost.State.POSTED) & ~Q(error="")
    posts = OwnPost.objects.by(user, review).filter(~Q(state=OwnPost.State.POSTED) | told | fresh)
    return posts.order_by("sent_at", "pk")


def _without_draft(posts: list[OwnPost]) -> dict[str, Any]:
    sent = [post for post in posts if post.state != OwnPost.State.DRAFT]
    is_moving = any(post.state in OwnPost.ON_THE_WAY or (post.comment_number and not post.error) for post in sent)
    return {"posts": sent, "is_moving": is_moving, "version": _version_of(posts)}


def _version_of(posts: list[OwnPost]) -> str:
    return " ".join(f"{post.pk}-{post.state}-{post.tries}" for post in posts if post.state != OwnPost.State.DRAFT)


def launchpad_connection(request: HttpRequest) -> dict[str, Any]:
    """Whether the person is connected with Launchpad, since when, and what the connection may do. One query."""
    user = request.user
    connection = LaunchpadConnection.objects.filter(user=user).first() if isinstance(user, User) else None
    return {"connection": connection, "tokens_page": tokens_page(connection.name) if connection else ""}


def register() -> None:
    """Called once, when the app is ready."""
    register_panel(
        Panel(
            "integrations/_your_review.html", your_review, Place.ANSWER, ("integrations/your-review.js",),
            ("integrations/your-review.css",), own_posts_version,
        )
    )  # fmt: skip
    register_panel(
        Panel(
            "integrations/_line_comment.html", line_comment, Place.DIFF, ("integrations/line-comment.js",),
            ("integrations/your-review.css",),
        )
    )  # fmt: skip
    register_account_panel(AccountPanel("integrations/_connection.html", launchpad_connection))
