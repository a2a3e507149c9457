"""Servers, jobs and the test plan in the admin: what can't be right is said at the field, and no secret comes out."""

import json

import pytest

from integrations.tests.scripted import ScriptedJenkins
from testing.models import Job, PlanRow, Server, Substrate

DECLARED = ["url", "callback_url", "job_id", "envs"]


@pytest.fixture
def ci():
    jenkins = ScriptedJenkins()
    jenkins.answers["/api/json"] = (200, {}, b'{"mode": "NORMAL"}')
    declares(jenkins, DECLARED)
    yield jenkins
    jenkins.stop()


def declares(jenkins, names, **more):
    facts = {"buildable": True, "property": [{"parameterDefinitions": [{"name": name} for name in names]}], **more}
    jenkins.answers["/job/arm/api/json"] = (200, {}, json.dumps(facts).encode())


@pytest.fixture
def server(ci, db):
    return Server.objects.create(name="lab", url=ci.url, user="queue", api_token="lab-api-token")


def server_form(ci, **changes):
    return {"name": "lab", "url": ci.url, "user": "queue", "api_token": "lab-api-token", "active": "on", "ask": "on",
            **changes}  # fmt: skip


def job_form(server, **changes):
    return {"name": "arm", "server": server.pk, "path": "job/arm", "token": "arm-job-token", "parameters": "{}",
            "ask": "on", **changes}  # fmt: skip


def add(client, model, form):
    return client.post(f"/admin/testing/{model}/add/", form, follow=True).content.decode()


def test_a_server_is_saved_after_it_let_us_in(client, staff, ci):
    add(client, "server", server_form(ci))
    assert Server.objects.get().api_token == "lab-api-token"
    assert "Authorization" in ci.asked[0]["headers"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://ci.example.org/", "not an http or https address"),
        ("https://boss:secret@ci.example.org/", "Take the credentials out"),
        ("https://ci.example.org/job/charms", "the address of a job"),
        ("https://ci.example.org/?x=1", "Take out what follows"),
    ],
)
def test_an_address_that_can_not_be_right_is_not_saved(client, staff, ci, url, words):
    assert words in add(client, "server", server_form(ci, url=url))
    assert not Server.objects.exists()


def test_a_server_that_does_not_let_us_in_is_not_saved(client, staff, ci):
    ci.answers["/api/json"] = (401, {}, b"")
    assert "does not let us in (401)" in add(client, "server", server_form(ci))
    assert not Server.objects.exists()


def test_a_server_that_is_down_is_saved_with_a_warning(client, staff, ci):
    ci.stop()
    assert "can&#x27;t be checked now" in add(client, "server", server_form(ci))
    assert Server.objects.exists()


def test_a_token_is_never_shown_and_kept_when_the_field_is_empty(client, staff, ci, server):
    page = f"/admin/testing/server/{server.pk}/change/"
    assert "lab-api-token" not in client.get(page).content.decode()
    client.post(page, server_form(ci, api_token="", active=""))
    server.refresh_from_db()
    assert (server.api_token, server.active) == ("lab-api-token", False)


def test_a_token_is_removed_by_its_box(client, staff, ci, server):
    page = f"/admin/testing/server/{server.pk}/change/"
    client.post(page, server_form(ci, api_token="", user="", remove_secret="on"))
    server.refresh_from_db()
    assert not server.api_token


def test_a_token_that_no_key_reads_has_to_be_entered_again(client, staff, ci, server, settings):
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [], "another-key-than-the-one-before-" + "z" * 40
    client.force_login(staff)
    page = f"/admin/testing/server/{server.pk}/change/"
    answer = client.post(page, server_form(ci, api_token="")).content.decode()
    assert "can&#x27;t be decrypted" in answer


def test_a_job_is_saved_that_declares_what_is_sent(client, staff, ci, server):
    declares(ci, [*DECLARED, "CLOUD"])
    add(client, "job", job_form(server, parameters='{"CLOUD": "{substrate}"}'))
    job = Job.objects.get()
    assert (job.token, job.url) == ("arm-job-token", f"{ci.url}job/arm")


def test_a_pasted_address_of_a_job_becomes_its_place(client, staff, ci, server):
    add(client, "job", job_form(server, path=f"{ci.url}job/arm/buildWithParameters"))
    assert Job.objects.get().path == "job/arm"


def test_a_job_that_lacks_a_parameter_is_not_saved_and_the_lines_to_paste_are_shown(client, staff, ci, server):
    declares(ci, ["url", "job_id", "envs"])
    page = add(client, "job", job_form(server))
    assert "does not declare the parameters callback_url" in page
    assert "string(name: &#x27;callback_url&#x27;" in page
    assert not Job.objects.exists()


def test_a_job_that_can_not_be_built_is_not_saved(client, staff, ci, server):
    declares(ci, DECLARED, buildable=False)
    assert "can&#x27;t be built" in add(client, "job", job_form(server))
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ('{"CLOUD": "{weather}"}', "{weather} in CLOUD is not known"),
        ('{"callback_url": "x"}', "callback_url is a parameter that every build gets"),
        ('{"token": "x"}', "token is a parameter that every build gets"),
        ('{"A": "{substrate"}', "a brace without its other"),
        ('{"A": 7}', "The value of A is not a text"),
        ('["A"]', "Write an object"),
        ("{", "Write an object"),
    ],
)
def test_parameters_that_can_not_be_right_are_not_saved(client, staff, server, parameters, words):
    assert words in add(client, "job", job_form(server, parameters=parameters, ask=""))
    assert not Job.objects.exists()


@pytest.fixture
def job(server):
    return Job.objects.create(name="arm", server=server, path="job/arm", token="t")


def delete(client, row):
    path = f"/admin/testing/{row._meta.model_name}/{row.pk}/delete/"
    page = client.post(path, {"post": "yes"}, follow=True).content.decode()
    return type(row).objects.filter(pk=row.pk).exists(), page


def test_a_server_with_jobs_is_not_deleted(client, staff, server, job):
    is_there, page = delete(client, server)
    assert is_there
    assert "The server lab was not deleted: jobs are on it. Delete them first, or switch off “active” instead." in page


def test_a_job_with_runs_is_not_deleted(client, staff, job, waiting_run):
    waiting_run.job = job
    waiting_run.save()
    is_there, page = delete(client, job)
    assert is_there
    assert (
        "The job arm was not deleted: it has test runs, and history is kept. Take it out of the test plan instead"
        in page
    )


def test_a_job_that_only_the_test_plan_names_is_not_deleted(client, staff, job):
    PlanRow.objects.create(job=job)
    is_there, page = delete(client, job)
    assert is_there
    assert "The job arm was not deleted: the test plan names it." in page


def test_a_substrate_that_only_the_test_plan_has_is_not_deleted(client, staff):
    substrate = Substrate.objects.create(name="arm64")
    PlanRow.objects.create(substrate=substrate)
    is_there, page = delete(client, substrate)
    assert is_there
    assert "The substrate arm64 was not deleted: the test plan has rows for it." in page


def test_what_nothing_uses_is_deleted(client, staff, server, job):
    for row in (job, server, Substrate.objects.create(name="arm64")):
        assert not delete(client, row)[0]


def test_a_row_that_contradicts_another_is_not_saved(client, staff, db):
    lxc = Substrate.objects.get(name="lxc")
    PlanRow.objects.create(substrate=lxc)
    page = add(client, "planrow", {"substrate": lxc.pk, "default": "on", "counts": "on"})
    assert "There is a row for this source and substrate already." in page
    assert PlanRow.objects.count() == 1


def test_the_lists_show_what_operators_need(client, staff, server):
    job = Job.objects.create(name="arm", server=server, path="job/arm", token="arm-job-token")
    PlanRow.objects.create(job=job)
    for model in ("server", "job", "planrow"):
        page = client.get(f"/admin/testing/{model}/").content.decode()
        assert "arm-job-token" not in page
        assert "lab" in page or "every source" in page


def test_a_new_row_of_the_plan_starts_nothing_by_itself_unless_it_is_ticked(client, staff):
    page = client.get("/admin/testing/planrow/add/").content.decode()
    box = page.partition('name="default"')[2].partition(">")[0]
    assert "checked" not in box
