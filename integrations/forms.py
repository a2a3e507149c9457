"""The form *Your review* and that of a comment on a line (docs/specification.md, section 6)."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from integrations.drafts import Written
from integrations.models import OwnPost
from reviews.diffs import find_line
from reviews.models import Diff, Review

MAX_TEXT = 50_000  # characters of one comment
PROPOSAL_STATUSES = ("Work in progress", "Needs review", "Approved", "Rejected", "Merged")
FINAL_STATUSES = ("Merged", "Superseded")  # of a proposal, which Launchpad lets nobody change
TASK_STATUSES = (
    "New", "Incomplete", "Opinion", "Invalid", "Won't Fix", "Confirmed", "Triaged", "In Progress", "Fix Committed",
    "Fix Released",
)  # fmt: skip
STAYS = ("", "stays as it is")


def statuses_for(review: Review) -> list[str]:
    """The statuses that a person can set instead of the one that the item has, as Launchpad spells them."""
    if review.kind == Review.Kind.UPDATE and review.launchpad_status in FINAL_STATUSES:
        return []
    return [status for status in _statuses_of(review) if status != review.launchpad_status]


def _statuses_of(review: Review) -> tuple[str, ...]:
    return TASK_STATUSES if review.kind == Review.Kind.NEW else PROPOSAL_STATUSES


class OwnReviewForm(forms.Form):
    """A comment, a vote and a status in the person's own name; each may be left out."""

    text = forms.CharField(required=False, max_length=MAX_TEXT, strip=False)
    vote = forms.ChoiceField(required=False, choices=OwnPost.Vote.choices)
    status = forms.ChoiceField(required=False)
    revision = forms.CharField(required=False, max_length=255)
    launchpad_status = forms.CharField(required=False, max_length=64)
    version = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    key = forms.CharField(required=False, max_length=64)

    def __init__(self, data: Any, review: Review) -> None:
        super().__init__(data)
        status = self.fields["status"]
        assert isinstance(status, forms.ChoiceField)
        # One that was chosen before the item moved is refused with words of its own, when it is sent.
        status.choices = [STAYS, *((one, one) for one in _statuses_of(review))]
        self.has_votes = review.kind == Review.Kind.UPDATE

    def written(self) -> Written:
        """What a valid form holds."""
        data = self.cleaned_data
        return Written(
            text=data["text"].replace("\r\n", "\n"), vote=data["vote"] if self.has_votes else "",
            status=data["status"], revision=data["revision"], launchpad_status=data["launchpad_status"],
            version=data["version"] or 0, key=data["key"],
        )  # fmt: skip

    def problem(self) -> str:
        """What is wrong with a form that is not valid, in one sentence."""
        return next(f"{name.capitalize()}: {problems[0]}" for name, problems in self.errors.items())


class LineCommentForm(forms.Form):
    """A comment on one line of a diff. ``place`` is the line's address on the page of the diff (``f3a9c1-12``); it says
    which line it is where ``line`` does not, as without JavaScript."""

    diff_number = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    line = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    text = forms.CharField(max_length=MAX_TEXT, error_messages={"required": "Write a comment."})
    place = forms.RegexField(re.compile(r"#?[\w.:-]{0,200}"), required=False)

    def __init__(self, data: Any, review: Review) -> None:
        super().__init__(data)
        self.review = review

    def clean_text(self) -> str:
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")

    def clean_place(self) -> str:
        return str(self.cleaned_data["place"]).lstrip("#")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if not self.errors:
            diffs = Diff.objects.filter(review=self.review, state=Diff.State.READY)
            if number := data["diff_number"]:
                diffs = diffs.filter(url__endswith=f"/+preview-diff/{number}")
            diff = diffs.first()
            if diff is None or diff.number is None:
                raise forms.ValidationError("That diff is not kept here any more. Open the diff again.")
            data["diff_number"] = diff.number
            found = find_line(diff.text, anchor=data["place"], number=data["line"])
            if found:
                data["line"], data["where"] = found
            elif not data["line"]:
                raise forms.ValidationError(
                    "Say which line: press its number, and copy what then stands behind # in the address."
                )
        return data
