"""Builds report back (docs/specification.md, section 5): idempotent, order-proof, and nobody else is let in."""

import io
import json

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from core.counters import count
from core.middleware import BoundedChunks
from reviews.models import State
from reviews.signals import review_closed
from testing.callbacks import CALLBACK_STATUS, callback_url_of
from testing.models import Status, TestRun
from testing.runs import cancel_run, launch_default_runs
from testing.sweep import sweep
from testing.transitions import give_up_attempt, lock_run

BUILD = "http://jenkins.example.com/job/charm-test/7/"


@pytest.fixture
def run(review, jenkins):
    jenkins.accepts()
    sweep()
    return review.test_runs.get()


def report(client, run, status, token=None, **more):
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    if token is not None:
        url = url.split("?")[0] + f"?token={token}"
    return client.post(url, {"status": status, "build_url": BUILD, **more})


@pytest.mark.parametrize(("word", "meaning"), CALLBACK_STATUS.items())
def test_every_word_is_understood_in_any_case(client, run, word, meaning):
    answer = report(client, run, word.lower()).json()
    run.refresh_from_db()
    assert (answer["applied"], answer["status"], run.status, run.build_url) == (True, meaning, meaning, BUILD)


def test_running_then_pass_colours_the_square(client, run, review):
    assert report(client, run, "RUNNING").json()["started_at"]
    review.refresh_from_db()
    assert review.square == "black"
    assert report(client, run, "PASS", result_url=BUILD + "x").json()["finished_at"]
    review.refresh_from_db()
    assert review.square == "green"


def test_repeats_and_late_words_change_nothing(client, run):
    report(client, run, "PASS")
    for word in ("PASS", "RUNNING", "FAIL"):
        answer = report(client, run, word)
        assert (answer.status_code, answer.json()["applied"], answer.json()["status"]) == (200, False, "pass")
        assert answer.json()["reason"]


def test_credentials_in_an_address_are_not_kept(client, run):
    secret = BUILD.replace("://", "://ci:hunter2@")
    answer = report(client, run, "PASS", build_url=secret, result_url=secret + "x?a=b#c").json()
    assert (answer["build_url"], answer["result_url"]) == (BUILD, BUILD + "x?a=b#c")
    assert "hunter2" not in client.get(f"/reviews/{run.review_id}/").content.decode()


def test_json_is_understood_too(client, run):
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    answer = client.post(url, {"status": "RUNNING", "build_url": BUILD}, content_type="application/json")
    assert answer.json()["status"] == "running"


def test_a_superseded_attempt_changes_nothing(client, run, settings):
    old = callback_url_of(run).removeprefix("http://localhost:8000")
    run.attempt = 2
    run.save()
    answer = client.post(old, {"status": "PASS"}).json()
    assert (answer["applied"], answer["status"]) == (False, "pending")
    assert "superseded" in answer["reason"]


def test_a_token_survives_the_rotation_of_the_key(client, run, settings):
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert client.post(url, {"status": "PASS"}).json()["applied"]


@pytest.mark.parametrize("token", ["", "nonsense", "é", "0" * 64])
def test_a_wrong_token_is_refused(client, run, token):
    answer = report(client, run, "PASS", token=token)
    assert answer.status_code == 403
    assert "token" in answer.json()["detail"]
    run.refresh_from_db()
    assert run.status == Status.PENDING


@pytest.mark.parametrize("number", [999, 2**63, 10**30])
def test_an_unknown_run_is_said_to_be_unknown(client, run, number):
    assert client.post(f"/api/test-runs/{number}/callback/?token=x", {"status": "PASS"}).status_code == 404


def test_get_is_not_allowed(client, run):
    assert client.get(f"/api/test-runs/{run.pk}/callback/").status_code == 405


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"status": "WHATEVER"}, "status"),
        ({"status": "x" * 40}, "status"),
        ({"build_url": "javascript:alert(1)"}, "build_url"),
        ({"build_url": "http://"}, "build_url"),
        ({"build_url": "http://[broken"}, "build_url"),
        ({"build_url": "http://a b/"}, "build_url"),
        ({"result_url": "file:///etc/passwd"}, "result_url"),
        ({"target_revision": "two words"}, "target_revision"),
        ({"target_revision": "a\nb"}, "target_revision"),
        ({"target_revision": "x" * 256}, "target_revision"),
        ({"build_url": "http://example.com/" + "x" * 1000}, "build_url"),
    ],
)
def test_what_nobody_understands_is_named_and_changes_nothing(client, run, fields, named):
    answer = report(client, run, **{"status": "RUNNING", **fields})
    assert answer.status_code == 400
    assert named in answer.json()
    run.refresh_from_db()
    assert (run.status, run.build_url) == (Status.PENDING, "")


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "null", '{"status": {"a": 1}}', '{"status": null}', "[" * 5000])
def test_a_broken_body_is_a_400(client, run, body):
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    answer = client.post(url, body, content_type="application/json")
    assert answer.status_code == 400
    assert "PASS" in answer.content.decode()  # it says what is accepted


def test_a_cancelled_run_stays_cancelled(client, run):
    cancel_run(run, actor=None, note="not needed")
    assert report(client, run, "PASS").json()["status"] == "canceled"


def test_closing_the_review_cancels_its_runs(run, review):
    review.state = State.MERGED
    review.save()
    review_closed.send(type(review), review=review)
    run.refresh_from_db()
    assert (run.status, review.events.filter(kind="run").last().note) == ("canceled", "The item is MERGED.")


def test_a_revision_is_tested_once_by_default(run, review):
    assert launch_default_runs([review]) == []


@profile(max_examples=60)
@given(body=st.dictionaries(st.sampled_from(["status", "build_url", "result_url", "x"]), st.text() | st.none()))
def test_a_body_without_a_known_status_is_refused_whatever_it_says(client, run, body):
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    assert client.post(url, json.dumps(body), content_type="application/json").status_code == 400


def test_a_build_url_that_comes_with_the_second_running_is_kept(client, run):
    report(client, run, "RUNNING", build_url="")
    assert report(client, run, "RUNNING").json()["build_url"] == BUILD


@pytest.mark.parametrize("words", [["RUNNING"], ["PASS"], ["RUNNING", "RUNNING"], ["RUNNING", "FAIL"]])
def test_the_revision_that_it_was_merged_into_is_kept_whenever_it_is_said(client, run, words):
    for word in words[:-1]:
        report(client, run, word)
    answer = report(client, run, words[-1], target_revision=" 9b1e77aa\n").json()
    assert (answer["applied"], answer["target_revision"]) == (True, "9b1e77aa")


def test_a_report_without_the_revision_of_the_target_leaves_it(client, run):
    report(client, run, "RUNNING", target_revision="9b1e77aa")
    assert report(client, run, "PASS").json()["target_revision"] == "9b1e77aa"


def test_the_next_attempt_is_merged_anew(client, run):
    report(client, run, "RUNNING", target_revision="9b1e77aa")
    with transaction.atomic():
        give_up_attempt(lock_run(run.pk), "No answer.")
    run.refresh_from_db()
    assert run.target_revision == ""


def test_the_answer_says_what_the_api_says_of_the_run(client, run):
    for word in ("RUNNING", "FAIL", "FAIL"):  # the last one changes nothing
        answer = report(client, run, word).json()
        known = client.get(f"/api/test-runs/{run.pk}/").json()
        assert {name: answer[name] for name in known} == known
        assert set(answer) - set(known) == {"applied", "reason"}


@pytest.mark.parametrize(("word", "queries"), [("RUNNING", 7), ("PASS", 8), ("FAIL", 9)])
def test_a_callback_costs_few_queries(client, run, word, queries, django_assert_max_num_queries):
    count("callbacks", "applied")  # the first one makes the row
    with django_assert_max_num_queries(queries + 2):  # and a savepoint
        assert report(client, run, word).json()["applied"]


def test_two_builds_change_their_own_runs_only(client, run, review, jenkins):
    review.pk, review.api_url = None, "https://api.launchpad.net/devel/~ada/charms/trusty/mysql/other/+merge/2"
    review.save(force_insert=True)
    launch_default_runs([review])
    jenkins.accepts()
    sweep()
    other = review.test_runs.get()
    for one, word in ((run, "RUNNING"), (other, "RUNNING"), (run, "FAIL"), (other, "PASS")):
        assert report(client, one, word, build_url=BUILD.replace("7", str(one.pk))).json()["id"] == one.pk
    for one, word, square in ((run, "fail", "red"), (other, "pass", "green")):
        one.refresh_from_db()
        assert (one.status, one.build_url, one.review.square) == (word, BUILD.replace("7", str(one.pk)), square)
        assert one.attempts.get().build_url == f"{jenkins.job_url}/{one.pk}/"
        assert [event.new.split()[0] for event in one.review.events.filter(run_id=one.pk)][-2:] == ["running", word]


def path_of(run):
    return callback_url_of(run).removeprefix("http://localhost:8000")


FORM, JSON = f"status=PASS&build_url={BUILD}", json.dumps({"status": "PASS", "build_url": BUILD})


@pytest.mark.parametrize("body", [FORM, JSON], ids=["form", "json"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["", "newline", "crlf"])
@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "", "application/octet-stream"])
def test_whatever_the_content_type_a_form_or_json_is_read(client, run, kind, body, mark, end):
    answer = client.post(path_of(run), (mark + body + end).encode(), content_type=kind)
    assert (answer.status_code, answer.json()["applied"], answer.json()["build_url"]) == (200, True, BUILD)


@pytest.mark.parametrize(("kind", "body"), [("application/json", JSON), ("application/x-www-form-urlencoded", FORM)])
def test_a_byte_order_mark_and_a_newline_do_no_harm(client, run, kind, body):
    assert client.post(path_of(run), f"\ufeff{body}\n".encode(), content_type=kind).json()["applied"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
@pytest.mark.parametrize(("mark", "order"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_is_read_where_its_byte_order_mark_says_so(client, run, kind, mark, order):
    answer = client.post(path_of(run), mark + JSON.encode(order), content_type=kind)
    assert (answer.status_code, answer.json()["applied"], answer.json()["build_url"]) == (200, True, BUILD)


def test_a_multipart_body_is_read(client, run):
    assert client.post(path_of(run), {"status": "PASS", "build_url": BUILD}).json()["applied"]


def test_a_chunked_body_is_read(client, rf, run):
    """As gunicorn hands it over: without a length."""
    environ = rf.post(path_of(run), FORM.encode(), content_type="").environ
    del environ["CONTENT_LENGTH"]
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(FORM.encode())}
    answer = BoundedChunks(lambda environ, _: client.handler(environ))(environ, None)
    assert json.loads(answer.content)["applied"]


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<xml/>", b"", b"{", b"[" * 5000])
def test_what_is_neither_is_a_400_that_says_what_is_accepted(client, run, body):
    answer = client.post(path_of(run), body, content_type="text/plain")
    assert answer.status_code == 400
    assert "PASS" in answer.content.decode()


def test_an_outcome_of_a_matrix_cell_is_not_the_builds(client, run, jenkins):
    cell = f"{jenkins.job_url}/label=arm/7/"
    answer = report(client, run, "SUCCESS", build_url=cell).json()
    assert (answer["applied"], answer["status"]) == (False, "pending")
    assert "only the whole build has an outcome" in answer["reason"]


def test_a_matrix_cell_may_report_that_it_runs(client, run, jenkins):
    assert report(client, run, "RUNNING", build_url=f"{jenkins.job_url}/label=arm/7/").json()["status"] == "running"


def test_a_run_that_was_removed_is_unknown(client, run):
    path = path_of(run)
    run.delete()
    assert client.post(path, {"status": "PASS"}).status_code == 404


def test_an_attempt_beyond_todays_maximum_is_heard(client, run, settings):
    TestRun.objects.update(attempt=7)
    run.refresh_from_db()
    settings.TESTING_MAX_ATTEMPTS = 2
    assert report(client, run, "PASS").json()["applied"]
