"""What a comment counts for: the one place that reads votes (docs/specification.md, section 3)."""

from __future__ import annotations

import re
from datetime import datetime

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

SIGNS: dict[str, str] = {Sentiment.POSITIVE: "+1", Sentiment.NEGATIVE: "−1"}
MAX_VOTERS = 20  # that are kept by name; all are counted
MAX_READ = 100_000  # characters; nobody votes after that
MAX_RULE = 300  # characters of a line that begins a quoted mail

# --- the part of a text that its author wrote now ----------------------------------------------------------------
# From such a line on, a text is somebody else's, or no text: signatures, quoted mails, in whatever language.
_RULED_TITLE = re.compile(r"\s*-{2,}\s*[^\W\d_][^\n]*?\s*-{2,}\s*")  # -----Original Message-----
_PGP = re.compile(r"-----BEGIN PGP SIGNED MESSAGE-----")
_SENDER = re.compile(
    r"\s*\*?(?:from|von|de|da|van|från|fra|lähettäjä|od|от|发件人|寄件者|差出人|보낸 사람)\s*\*?[:：]", re.IGNORECASE
)
_HEADER = re.compile(r"\s*\*?\w[\w .'’-]{0,20}\*?\s?[:：]")  # Sent:, Gesendet:, Envoyé :, Subject:
_ATTRIBUTION = re.compile(  # On Monday Ann wrote:
    r".*\b(?:wrote|writes|schrieb|schreibt|écrit|escribió|escreveu|ha scritto|schreef|skrev|kirjoitti|napisał\(a\)"
    r"|napisała?|napsala?|пишет|написала?)\b.{0,80}[:：]\s*|.*(?:写道|寫道|のメール|님이 작성)[:：]?\s*",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\s*(?:[A-Za-z]{0,4}[>|»]|&gt;)")  # "> ", "| ", "JD> "
_DIFF_START = re.compile(r"(?:@@ |diff --git |--- \S|\+\+\+ \S|=== |Index: )")
_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_INDENTED = re.compile(r"(?: {4}|\t)")


def written_by_author(text: str) -> str:
    """The words of a comment that its author wrote now: no quotes, mails below, signature, code, or piece of a diff."""
    lines = _CODE_BLOCK.sub("\n", text[:MAX_READ]).splitlines()
    kept: list[str] = []
    in_diff = False
    for number, line in enumerate(lines):
        following = lines[number + 1 :]
        if _PGP.match(line):
            continue
        if _ends_text(line, following):
            break
        in_diff = bool(_DIFF_START.match(line)) or (in_diff and line[:1] in "+- \\" and line != "")
        if not in_diff and not _QUOTED.match(line) and not _INDENTED.match(line):
            kept.append(_INLINE_CODE.sub(" ", line))
    return "\n".join(kept)


def _ends_text(line: str, following: list[str]) -> bool:
    """Whether what begins with this line is a signature, or a mail that is answered."""
    if len(line) > MAX_RULE:
        return False
    if line.rstrip() == "--" or _RULED_TITLE.fullmatch(line):
        return True
    if _SENDER.match(line):
        return any(_HEADER.match(other) for other in following[:2])
    if _ATTRIBUTION.fullmatch(line):  # answers may stand between the lines that are quoted, if they are marked
        first = next((other for other in following if other.strip()), "")
        return not _QUOTED.match(first)
    return False


# --- what it says -------------------------------------------------------------------------------------------------
# Negative words are looked for first: "NLGTM" ends like "LGTM", and "not approved, -1" says approve as well.
# A vote stands alone: "+10", "+1.5", "c++-1", "1/+1", "[-1]" and "f(-1)" are none; "disapprove" is no "approve".
_BEFORE = r"(?<![\w+\-./=\[<>~^#$\"'“‘«])(?<!\w\()(?<!\d,)(?<!\d, )(?<![=<>]\s)(?<![\"'”’]:\s)"
_PHONE = r"(?![ \t.\-/]*\(?\d{2,})"  # +1 555 0100, +1 (555) 0100
_RANGE = r"(?!\s*(?:,|;|or|to|and|through|until|\.\.)\s*[-+−]?\d)"
_UNIT = (
    r"(?!\s+(?:lines?|days?|hours?|minutes?|seconds?|weeks?|bytes?|bits?|chars?|characters?|levels?|times?|commits?"
    r"|revisions?|spaces?|pixels?|px|items?|rows?|columns?)\b)"
)
_AFTER = rf"(?!\w|[.,:/]\d|/[+-]|%|\]){_PHONE}{_RANGE}{_UNIT}"
# Words before which a number is a value: "exits with -1", "returned: -1", "index -1", "n -1"; and what Git calls a
# revision, "HEAD~1 -1".
_VALUE = re.compile(
    r"(?:\b(?:with|returns?|returned|returning|codes?|status|rc|ret|exits?|exited|values?|index|idx|equals?|than|gives?"
    r"|gave|gets?|got|yields?|yielded|prints?|printed|position|offset|by|of|line|column|version|revision|rev|utc|gmt"
    r"|between|minus|plus|errno|error|sets?|pass(?:es|ed|ing)?|arguments?|argument|defaults?|using|uses?|at|port|pid"
    r"|number|count|size|length|result|results|level|timeout|priority|nice|is|was|are|were|be|to|from)"
    r"|(?<![\w'’])(?![aAiI]\b)[A-Za-z]|\w(?:[~^]\d*|@\{\w+\}))\s*:?\s+$",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"\b(?:(?:votes?|voting|review|verdict|opinion)\s+(?:is|was|of|to|from|with|at|by)|(?:have|need|going|want)\s+to)"
    r"\s*:?\s+$",
    re.IGNORECASE,
)
_BY_ME = re.compile(r"\s+(?:from|by|for)\s+(?:me|us|my)\b", re.IGNORECASE)
_NEGATIVE_ONE = re.compile(rf"{_BEFORE}[-−]1{_AFTER}", re.IGNORECASE)
_POSITIVE_ONE = re.compile(rf"{_BEFORE}\+1{_AFTER}", re.IGNORECASE)
_NOT = r"(?:\b(?:not|cannot|never)|n['’]t)(?:\s+\w+){0,2}\s+"
_NEGATIVE_WORDS = re.compile(
    r"\bnlgtm\b|(?<!no longer )(?<!nothing )\bneeds[\s-]+(?:work|fixing|fixes|information|info|resubmitting)\b"
    rf"|\bdisapproved?\b|{_NOT}(?:lgtm|approved?)\b|(?<!\bI )(?<!\bwill )(?<!['’]ll )(?<!\bto )\bresubmit\b",
    re.IGNORECASE,
)
# Who asks for an approval, or waits for one, does not give it.
_ASKED = (
    r"(?<!please )(?<!pls )(?<!kindly )(?<!you )(?<!to be )(?<!get )(?<!once )(?<!when )(?<!until )(?<!if )(?<!unless )"
    r"(?<!before )(?<!after )(?<!who )(?<!will )(?<!would )(?<!should )(?<!must )(?<!could )(?<!someone )(?<!it be )"
)
_POSITIVE_WORDS = re.compile(rf"\blgtm\b|{_ASKED}\bapproved?\b", re.IGNORECASE)


def sentiment(text: str, vote: str = "") -> str:
    """Positive, negative or neutral: by the formal vote where there is one, else by what the author wrote."""
    if vote:
        return FORMAL.get(vote.strip().lower(), Sentiment.NEUTRAL)
    words = written_by_author(text)
    if _NEGATIVE_WORDS.search(words) or _has_vote(_NEGATIVE_ONE, words):
        return Sentiment.NEGATIVE
    if _POSITIVE_WORDS.search(words) or _has_vote(_POSITIVE_ONE, words):
        return Sentiment.POSITIVE
    return Sentiment.NEUTRAL


def _has_vote(pattern: re.Pattern[str], words: str) -> bool:
    """Whether one of the numbers is meant as a vote, and not as a value."""
    for found in pattern.finditer(words):
        before = words[max(0, found.start() - 40) : found.start()].rpartition("\n")[2]
        if _BY_ME.match(words, found.end()) or _MEANT.search(before) or not _VALUE.search(before):
            return True
    return False


def count_votes(review: Review) -> None:
    """Set what people's votes and words say: the counts, whose they are, who objects, and whether it was answered.

    Each person's latest vote counts, in Launchpad's order. One query; the caller saves the review.
    """
    latest: dict[int, tuple[str, datetime]] = {}
    answered_at: datetime | None = None  # the submitter's first words after what others said last
    others_at: datetime | None = None  # when others said something last
    answers_after: dict[int, bool] = {}  # by person: whether the submitter spoke after their vote
    names: dict[int, str] = {}
    said = review.comments.replies().order_by("position", "id")
    columns = ("author_id", "author__display_name", "author__username", "vote", "sentiment", "created_at")
    for author_id, name, username, vote, meaning, at in said.values_list(*columns):
        names[author_id] = name or username
        if author_id == review.owner_id:
            answered_at = answered_at or at
            answers_after = dict.fromkeys(answers_after, True)
        else:
            answered_at, others_at = None, at
        if vote or meaning != Sentiment.NEUTRAL:  # Abstain takes a vote back; words that are no vote don't
            latest.pop(author_id, None)
            latest[author_id] = (meaning, at)
            answers_after[author_id] = False
    votes = [meaning for meaning, _ in latest.values()]
    voters = [[names[pk], SIGNS[meaning]] for pk, (meaning, _) in latest.items() if meaning in SIGNS]
    review.voters = voters[-MAX_VOTERS:]
    review.positive_votes, review.negative_votes = votes.count(Sentiment.POSITIVE), votes.count(Sentiment.NEGATIVE)
    objections = [
        at
        for author_id, (meaning, at) in latest.items()
        if meaning == Sentiment.NEGATIVE
        and author_id != review.owner_id
        and not answers_after[author_id]
        and (review.revision_at is None or at >= review.revision_at)
    ]
    review.objections, review.objected_at = len(objections), max(objections, default=None)
    if answered_at is None and others_at and review.revision_at and review.revision_at > others_at:
        answered_at = review.revision_at  # a push answers as well
    review.answered_at = answered_at if others_at else None
