"""Comments count as positive, negative or neutral (docs/specification.md, section 3)."""

import json
from pathlib import Path

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
        ("git log HEAD~1 -1", "neutral"),
        ("Try main^ -1, or HEAD@{2} -1", "neutral"),
        ("git diff HEAD~1\n-1", "negative"),
        ("I read up to HEAD~1: -1 from me", "negative"),
        ("at 10:00 +1:00, C++11, 2015-10-1, http://example.com/+1, a=-1, +1%", "neutral"),
    ],
)
def test_without_a_formal_vote_the_unquoted_text_counts(text, expected):
    assert sentiment(text) == expected


CASES = json.loads((Path(__file__).parent / "votes.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["text"][:30] for case in CASES])
def test_texts_that_were_once_misread(case):
    assert sentiment(case["text"]) == case["sentiment"]


@pytest.mark.parametrize(
    "text",
    [
        "Call me: +1 (555) 010-0100",
        "Mobile +1-555-0100",
        "+1.555.010.0100",
        "the script returned -1",
        "It returns: -1 when the file is missing",
        "exit code -1",
        "the default is -1",
        'got {"returncode": -1}',
        "foo(-1) fails, and so does foo(2, -1)",
        "x = -1",
        "if n < -1",
        "values -1, 0 and 1",
        "anything from -1 to 1",
        "an off by +1 error, n +1 queries",
        "UTC +1",
        "it is +1 hours ahead",
        "`-1` is not handled",
        "```\n-1\nLGTM\n```",
        "Like this:\n\n    LGTM = -1\n",
        "\t+1",
        "@@ -1,2 +1,2 @@\n-1\n+1\n context",
        "--- a/file\n+++ b/file\n+1\n-1",
        "Done.\n\n-- \nLGTM Ltd, +1",
        "Danke.\n\n-----Ursprüngliche Nachricht-----\nVon: Ann\n\n+1",
        "Merci.\n\nDe : Ann\nEnvoyé : lundi\nObjet : Re\n\n+1 pour moi",
        "Thanks!\n\nFrom: Ann\nSent: Monday\nTo: Bob\n\nLGTM",
        "Ok.\n\nOn Mon, 2 Nov 2026, Ann wrote:\nLGTM",
        "Gut.\n\nAm 2.11.2026 schrieb Ann:\n\n+1",
        "Le 2 nov. 2026, Ann a écrit :\n> +1",
        "&gt; +1",
        "AB> +1",
        "» LGTM",
        "Please approve this",
        "Can somebody merge it once approved?",
        "I will resubmit it",
        "This no longer needs work",
    ],
)
def test_what_nobody_meant_as_a_vote_is_none(text):
    assert sentiment(text) == "neutral"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Great work +1", "positive"),
        ("my vote is +1", "positive"),
        ("It is a +1 from me", "positive"),
        ("I'm -1 on this", "negative"),
        ("Sorry, I have to -1 this", "negative"),
        ("> does it work?\nYes. +1", "positive"),
        ("On Mon, Ann wrote:\n> works?\n+1", "positive"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n+1\n-----BEGIN PGP SIGNATURE-----\niQ-1", "positive"),
        ("@@ -1,2 +1,2 @@\n-old\n+new\n\n-1: the hunk above is wrong", "negative"),
        ("Returned 0 here. -1 because the docs are missing", "negative"),
        ("Please resubmit against trunk", "negative"),
        ("Approved, thanks for the patch", "positive"),
    ],
)
def test_a_vote_among_other_words_counts(text, expected):
    assert sentiment(text) == expected


@given(st.text(max_size=300))
def test_any_text_has_exactly_one_sentiment_and_quoting_it_makes_it_neutral(text):
    assert sentiment(text) in {"positive", "negative", "neutral"}
    quoted = "\n".join("> " + line for line in text.splitlines())
    assert sentiment(quoted) == "neutral"
