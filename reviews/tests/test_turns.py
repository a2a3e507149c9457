"""Whose turn it is, and the sentences that say so: no sentence contradicts the facts that it was made from."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.choices import NEXT_ACTOR, Actor, State, TestsWaitFor, Verdict
from reviews.turns import FAILED_TO_MERGE, TurnFacts, next_actor, obstacles, reason, remarks, todo, why_next

SUBSTRATES = ["lxc", "aws", "azure"]
STATUSES = ["retry", "pending", "running", "pass", "fail", "error"]


@st.composite
def any_facts(draw):
    """Facts that can be true together."""
    tested = draw(st.lists(st.sampled_from(SUBSTRATES), unique=True))
    marks = tuple((substrate, draw(st.sampled_from(STATUSES))) for substrate in tested)
    statuses = {status for _, status in marks}
    verdict = ""
    if statuses and not statuses & {"retry", "pending", "running"}:
        verdict = "fail" if "fail" in statuses else "error" if "error" in statuses else "pass"
    positive, negative = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    is_reviewed = bool(positive or negative) or draw(st.booleans())
    is_answered = is_reviewed and draw(st.booleans())
    return TurnFacts(
        state=draw(st.sampled_from(State.values)),
        is_proposal=draw(st.booleans()),
        launchpad_status=draw(st.sampled_from(["", "Needs review", FAILED_TO_MERGE, "Queued", "Won't Fix"])),
        state_reason=draw(st.sampled_from(["", "The series precise is not active."])),
        verdict=verdict,
        excused=verdict == "fail" and draw(st.booleans()),
        marks=marks,
        conflicts=draw(st.sampled_from([None, True, False])),
        objections=0 if is_answered else draw(st.integers(0, negative)),
        negative_votes=negative,
        positive_votes=positive,
        is_reviewed=is_reviewed,
        is_answered=is_answered,
        tests_wait_for=draw(st.sampled_from(["", *TestsWaitFor.values])),
    )


# A sentence, and what has to be so where it stands.
CLAIMS = {
    r"no review yet": lambda facts: not facts.is_reviewed,
    r"submitter has answered": lambda facts: facts.is_answered,
    r"tests fail": lambda facts: facts.verdict == Verdict.FAIL,
    r"could not be run": lambda facts: facts.verdict == Verdict.ERROR,
    r"conflicts with its target": lambda facts: facts.conflicts,
    r"merging it failed": lambda facts: facts.launchpad_status == FAILED_TO_MERGE,
    r"asks? for changes": lambda facts: facts.objections > 0,
    r"approves?;": lambda facts: facts.positive_votes and not facts.negative_votes,
    r"under way": lambda facts: bool(facts.running),
    r"has to allow": lambda facts: facts.tests_wait_for == TestsWaitFor.PERMISSION,
    r"is merged": lambda facts: facts.state == State.MERGED,
    r"waits to be (merged|released)": lambda facts: facts.state == State.READY,
    r"work in progress": lambda facts: facts.state == State.IN_PROGRESS,
    r"commented on": lambda facts: facts.is_reviewed and not (facts.positive_votes or facts.negative_votes),
}


@given(any_facts())
def test_no_reason_contradicts_the_facts(facts):
    for words, is_so in CLAIMS.items():
        if re.search(words, reason(facts)):
            assert is_so(facts), reason(facts)


@given(
    any_facts(),
    st.sampled_from(["", "you"]),
    st.booleans(),
    st.none() | st.integers(0, 9),
    st.sampled_from(["", "3 days"]),
)
def test_why_an_item_is_the_next_one_contradicts_no_fact(facts, asked, reviewed_before, lines, waited):
    words = why_next(facts, asked=asked, reviewed_by_reader=reviewed_before, lines=lines, waits_for=waited)
    assert reason(facts) in words
    assert ("asked of you" in words) == bool(asked)
    assert ("you have reviewed it" in words) == reviewed_before
    assert ("its tests passed" in words) == (facts.verdict == Verdict.PASS)
    assert ("changed" in words) == (lines is not None)
    assert ("has waited for 3 days" in words) == (waited == "3 days")


@given(any_facts())
def test_every_item_has_a_reason(facts):
    assert reason(facts).strip()


@given(any_facts())
def test_a_substrate_is_named_as_failing_only_where_it_fails(facts):
    words = " ".join(obstacles(facts))
    assert {name for name in SUBSTRATES if name in words} <= set(facts.failing)


@given(any_facts())
def test_it_is_the_submitters_turn_only_by_the_state_or_for_a_named_obstacle(facts):
    if next_actor(facts) == Actor.SUBMITTER:
        assert NEXT_ACTOR[facts.state] == Actor.SUBMITTER or obstacles(facts)


@given(any_facts())
def test_what_waits_for_the_submitter_never_says_nothing_for_now(facts):
    assert (next_actor(facts) == Actor.SUBMITTER) != todo(facts).startswith("Nothing")


@given(any_facts())
def test_remarks_move_no_turn(facts):
    if remarks(facts) and not obstacles(facts):
        assert next_actor(facts) == NEXT_ACTOR[facts.state]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (TurnFacts(State.NEW), "no review yet"),
        (TurnFacts(State.NEW, is_reviewed=True, positive_votes=1, negative_votes=3),
         "the votes are +1 −3; it waits for a decision"),
        (TurnFacts(State.FOLLOW_UP, launchpad_status=FAILED_TO_MERGE), "merging it failed on Launchpad"),
        (TurnFacts(State.PENDING, verdict="fail", marks=(("lxc", "pass"), ("azure", "fail")), objections=2),
         "tests fail on azure; 2 reviewers ask for changes"),
        (TurnFacts(State.PENDING, tests_wait_for="permission"), "no review yet; a reviewer has to allow its tests"),
    ],
)  # fmt: skip
def test_the_reason_in_words(facts, expected):
    assert reason(facts) == expected
