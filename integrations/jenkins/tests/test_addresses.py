"""Which build an address from outside names: only builds of our job, whatever host they come under, at our address."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.jenkins.addresses import JobAddress

JOB = "https://jenkins.example.com:8443/ci/job/charms/job/test"
BUILD = JOB + "/7/"


@pytest.fixture
def job():
    return JobAddress(JOB)


@pytest.mark.parametrize(
    "url",
    [
        BUILD,
        BUILD.rstrip("/"),
        "https://JENKINS.example.com:8443/ci/job/charms/job/test/7/",
        "http://jenkins.example.com:8443/ci/job/charms/job/test/7/",  # another scheme
        "https://jenkins.example.com/ci/job/charms/job/test/7/",  # another port
        "http://10.0.0.5:8080/job/charms/job/test/7/",  # another host and no prefix
        "https://ci.example.com/deep/down/job/charms/job/test/7/",  # another prefix
        "https://[2001:db8::1]:8080/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/view/All/job/charms/view/mine/job/test/7/",  # through views
        "https://jenkins.example.com:8443/ci/job/ch%61rms/job/test/7/",
    ],
)
def test_a_build_of_our_job_is_found_at_our_address(job, url):
    assert job.build(url) == BUILD


@pytest.mark.parametrize(
    "url",
    [
        "https://jenkins.example.com:8443/ci/job/production-deploy/77/",
        "https://jenkins.example.com:8443/ci/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/charms/7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/test2/7/",
        "https://jenkins.example.com:8443/ci/job/Charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/other/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/test/job/inner/7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/te%73t%2F7/8/",
    ],
)
def test_a_build_of_another_job_is_none_of_ours(job, url):
    assert job.build(url) == ""
    assert not job.is_part_of_build(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "/ci/job/charms/job/test/7/", "//jenkins.example.com:8443/ci/job/charms/job/test/7/",
        "https://jenkins.example.com:0/ci/job/charms/job/test/7/",
        "https://jenkins.example.com:84430/ci/job/charms/job/test/7/",
        "https://jenkins.example.com:8443@evil.example/ci/job/charms/job/test/7/",
        "https://ada:secret@jenkins.example.com:8443/ci/job/charms/job/test/7/",
        "https://evil.example\\@jenkins.example.com:8443/ci/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/../job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/%2e%2e/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/%252e%252e/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/..;/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/%2e%2e%3bx=1/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci\\..\\job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/%5c..%5c/job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/production-deploy/77/..%2f..%2fcharms/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/test/x/../7/",
        "https://jenkins.example.com:8443/ci//job/charms/job/test/7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/test//7/",
        "https://jenkins.example.com:8443/ci/job/charms/job/test/7//",
        "https://jenkins.example.com:8443/ci/job%2Fcharms%2Fjob%2Ftest/7/",
        "https://jenkins.example.com:8443/ci/job/charms;a=b/job/test/7/",
        BUILD + "?x=1", BUILD + "#x", BUILD + "#", BUILD + "\r\nHost: evil.example",
        BUILD + "%0d%0aHost:%20evil.example",
        "https://jenkins.example.com\t:8443/ci/job/charms/job/test/7/",
        "https://[broken:8443/ci/job/charms/job/test/7/",
        "file:///ci/job/charms/job/test/7/", "gopher://jenkins.example.com:8443/ci/job/charms/job/test/7/",
        JOB + "/lastBuild/", JOB + "/\u0667/", JOB + "/7;x/", JOB + "/+7/", JOB + "/-7/",
        JOB + "/" + "7" * 40 + "/", JOB,
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_names_no_build(job, url):
    assert job.build(url) == ""


@pytest.mark.parametrize(
    "below",
    ["/label=a/7/", "/7/label=a/", "/label=a,os=b/7", "/7/console", "/org.example$module/7/", "/7/artifact/x.json"],
)
def test_a_cell_or_a_page_of_a_build_is_a_part_of_it_and_not_the_build(job, below):
    assert job.is_part_of_build(JOB + below)
    assert job.build(JOB + below) == ""


@pytest.mark.parametrize("below", ["/7/", "", "/", "/configure", "/job/inner/7/", "/a/b/"])
def test_what_is_no_part_of_a_build_is_not_taken_for_one(job, below):
    assert not job.is_part_of_build(JOB + below)


@pytest.mark.parametrize(
    ("setting", "reported"),
    [
        ("https://ci/job/charms/job/feature%252Fx", "http://other:8080/job/charms/job/feature%252Fx/7/"),
        ("https://ci/job/charms/job/fix%237", "https://ci/job/charms/job/fix%237/7/"),
        ("https://ci/job/charms/job/fix%25237", "https://ci/job/charms/job/fix%25237/7/"),
        ("https://ci/job/with space", "https://ci/job/with%20space/7/"),
        ("https://ci/job/café", "https://ci/job/caf%C3%A9/7/"),
        ("https://ci/job/job/job/view", "https://ci/job/job/job/view/7/"),
    ],
)
def test_names_that_have_to_be_encoded_are_compared_decoded(setting, reported):
    job = JobAddress(setting)
    assert job.problem == ""
    assert job.build(reported) == job.build_url(7)


@pytest.mark.parametrize(
    "reported", ["https://ci/job/charms/job/feature%2Fx/7/", "https://ci/job/charms/job/feature/x/7/"]
)
def test_an_encoded_name_is_not_decoded_once_more_than_it_was_encoded(reported):
    assert JobAddress("https://ci/job/charms/job/feature%252Fx").build(reported) == ""


PIECES = st.sampled_from(
    [
        *("https://", "http://", "jenkins.example.com", ":8443", ":443", "@", "/", "//", "\\", "..", "%2e", "%252e"),
        *(
            "ci",
            "job",
            "charms",
            "test",
            "7",
            "evil.example",
            "?",
            "#",
            ";",
            "%2f",
            "%5c",
            "\u3002",
            "\u212a",
            "[",
            "]",
        ),
        *("user:pass", "\t", " ", "view", "/job/charms/job/test"),
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("https://x/job/charms/job/test/7")
@hypothesis_settings(max_examples=300)
def test_whatever_comes_in_what_comes_out_is_a_build_of_ours(job, url):
    found = job.build(url)
    assert found == "" or (found.startswith(JOB + "/") and urlsplit(found).path.rstrip("/").rsplit("/", 1)[1].isdigit())


@pytest.mark.parametrize(
    "location",
    [
        "/queue/item/7/", "https://jenkins.example.com:8443/ci/queue/item/7", "http://other.example/x/queue/item/7/",
        "/ci/queue/item/7/?delay=0",
    ],
)  # fmt: skip
def test_of_a_queue_items_address_the_number_counts(job, location):
    assert job.queue_item(location) == "https://jenkins.example.com:8443/ci/queue/item/7/"


@pytest.mark.parametrize("location", ["", "/job/charm-test/", "/queue/item/", "/queue/item/x/", "/queue/item/7/x"])
def test_what_names_no_queue_item_is_none(job, location):
    assert job.queue_item(location) == ""


@pytest.mark.parametrize(
    ("setting", "root", "url"),
    [
        ("https://ci.example.com/job/x", "https://ci.example.com/", "https://ci.example.com/job/x"),
        ("https://ci.example.com/jenkins/job/folder/job/x/", "https://ci.example.com/jenkins/",
         "https://ci.example.com/jenkins/job/folder/job/x"),
        ("https://ci.example.com/view/All/job/x/buildWithParameters?token=t", "https://ci.example.com/",
         "https://ci.example.com/job/x"),
        ("  https://ci.example.com/job/x/buildWithParameters/ ", "https://ci.example.com/", "https://ci.example.com/job/x"),
        ("https://ci.example.com/job/f/view/mine/job/x//", "https://ci.example.com/", "https://ci.example.com/job/f/job/x"),
        ("https://ci.example.com:8080/x", "https://ci.example.com:8080/", "https://ci.example.com:8080/x"),
    ],
)  # fmt: skip
def test_where_the_job_and_its_jenkins_are_follows_from_the_setting(setting, root, url):
    job = JobAddress(setting)
    assert (job.problem, job.root, job.url) == ("", root, url)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("https://ci.example.com/job/x/build?token=s3cret", "/build, which takes no parameters"),
        ("https://ci.example.com/job/x/build", "Set it to the job's own address: https://ci.example.com/job/x."),
        ("https://ci.example.com/job/x/build?token=s3cret", "JENKINS_TOKEN"),
        ("https://ci.example.com/job/x/42/", "the number of a build"),
        ("https://ci.example.com/job/x/configure", "ends in /configure"),
        ("https://ci.example.com/view/All/", "a view, not of a job"),
        ("https://ci.example.com/", "Jenkins itself, not of a job"),
        ("https://ada:s3cret@ci.example.com/job/x", "holds credentials"),
        ("https://ci.example.com/job/fix#7", "write it as %23"),
        ("ci.example.com/job/x", "not an http or https URL"),
        ("https://[/job/x", "not an http or https URL"),
        ("https://ci.example.com/job/" + "x" * 1000, "longer than 900"),
    ],
)
def test_a_setting_that_is_not_the_jobs_address_says_what_it_is_and_how_to_mend_it(setting, words):
    problem = JobAddress(setting).problem
    assert words in problem
    assert "s3cret" not in problem
