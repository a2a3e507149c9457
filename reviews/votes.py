"""What a comment counts for: the one place that reads votes (docs/specification.md, section 3)."""

from __future__ import annotations

import re

from reviews.models import Comment, Review

Sentiment = Comment.Sentiment

# Launchpad's formal votes. Abstain, and any vote that Launchpad adds tomorrow, counts as neutral.
FORMAL: dict[str, str] = {
    "approve": Sentiment.POSITIVE,
    "needs fixing": Sentiment.NEGATIVE,
    "needs information": Sentiment.NEGATIVE,
    "disapprove": Sentiment.NEGATIVE,
    "resubmit": Sentiment.NEGATIVE,
    "needs resubmitting": Sentiment.NEGATIVE,
}

# Negative words are looked for first: "NLGTM" ends like "LGTM", and "not approved, -1" says approve as well.
# A vote stands alone: "+10", "+1.5", "c++-1", "1/+1" and "@@ -1,4 +1,5 @@" are none; "disapprove" is no "approve".
_BEFORE, _AFTER = r"(?<![\w+\-./=])", r"(?!\w|[.,:/]\d|/[+-]|%)"
_NOT = r"(?:\b(?:not|cannot|never)|n['’]t)(?:\s+\w+){0,2}\s+"
NEGATIVE = re.compile(
    rf"{_BEFORE}[-−]1{_AFTER}|\bnlgtm\b|\bneeds[\s-]+(?:work|fixing|fixes|information|info|resubmitting)\b"
    rf"|\bdisapproved?\b|{_NOT}(?:lgtm|approved?)\b|\bresubmit\b",
    re.IGNORECASE,
)
POSITIVE = re.compile(rf"{_BEFORE}\+1{_AFTER}|\blgtm\b|\bapproved?\b", re.IGNORECASE)
MAX_READ = 100_000  # characters; nobody votes after that


def unquoted(text: str) -> str:
    """The text without the lines that quote somebody else, or say where a piece of a diff belongs."""
    return "\n".join(line for line in text[:MAX_READ].splitlines() if not line.lstrip().startswith((">", "|", "@@ ")))


def sentiment(text: str, vote: str = "") -> str:
    """Positive, negative or neutral: by the formal vote where there is one, else by the unquoted text."""
    if vote:
        return FORMAL.get(vote.strip().lower(), Sentiment.NEUTRAL)
    words = unquoted(text)
    if NEGATIVE.search(words):
        return Sentiment.NEGATIVE
    return Sentiment.POSITIVE if POSITIVE.search(words) else Sentiment.NEUTRAL


def count_votes(review: Review) -> None:
    """Set the review's counts: each person's latest vote, in Launchpad's order. One query; the caller saves it."""
    latest: dict[int, str] = {}
    said = review.comments.replies().order_by("position", "id").values_list("author_id", "vote", "sentiment")
    for author_id, vote, meaning in said:
        if vote or meaning != Sentiment.NEUTRAL:  # Abstain takes a vote back; words that are no vote don't
            latest[author_id] = meaning
    votes = list(latest.values())
    review.positive_votes, review.negative_votes = votes.count(Sentiment.POSITIVE), votes.count(Sentiment.NEGATIVE)
