"""Comments count as positive, negative or neutral (docs/specification.md, section 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.votes import sentiment


@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        ("Approve", "positive"),
        ("Needs Fixing", "negative"),
        ("Needs Information", "negative"),
        ("Disapprove", "negative"),
        ("Resubmit", "negative"),
        ("Abstain", "neutral"),
        ("A vote of tomorrow", "neutral"),
    ],
)
def test_a_formal_vote_counts_whatever_the_text_says(vote, expected):
    assert sentiment("+1 LGTM -1", vote) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1", "positive"),
        ("Looks fine. LGTM!", "positive"),
        ("I approve of this", "positive"),
        ("approved", "positive"),
        ("-1", "negative"),
        ("−1 from me", "negative"),
        ("This needs work.", "negative"),
        ("needs fixing", "negative"),
        ("NLGTM", "negative"),
        ("I disapprove", "negative"),
        ("not approved yet", "negative"),
        ("+10 lines", "neutral"),
        ("version 2.0-1 and 1.+1.5", "neutral"),
        ("> +1\nWhy do you say so?", "neutral"),
        ("  > LGTM", "neutral"),
        ("unapproved", "neutral"),
        ("", "neutral"),
        ("Looks good to me, +1.", "positive"),
        ("(+1)", "positive"),
        (":+1: vote:+1", "positive"),
        ("+1, thanks", "positive"),
        ("**+1**", "positive"),
        ("-1.", "negative"),
        ("This needs\nfixing", "negative"),
        ("I don’t approve", "negative"),
        ("I won't approve this", "negative"),
        ("not yet approved", "negative"),
        ("Does not quite LGTM", "negative"),
        ("> -1\n+1 now", "positive"),
        ("+1 for the idea, but this needs work", "negative"),
        ("@@ -1,4 +1,5 @@ class Charm", "neutral"),
        ("hooks/install (+1/-1)", "neutral"),
        ("at 10:00 +1:00, C++11, 2015-10-1, http://example.com/+1, a=-1, +1%", "neutral"),
    ],
)
def test_without_a_formal_vote_the_unquoted_text_counts(text, expected):
    assert sentiment(text) == expected


@given(st.text(max_size=300))
def test_any_text_has_exactly_one_sentiment_and_quoting_it_makes_it_neutral(text):
    assert sentiment(text) in {"positive", "negative", "neutral"}
    quoted = "\n".join("> " + line for line in text.splitlines())
    assert sentiment(quoted) == "neutral"
