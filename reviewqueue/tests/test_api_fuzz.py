"""schemathesis reads the OpenAPI schema and tries what it allows and what it does not: never a server error, and
nothing that the schema does not tell of. Bounded and without chance: quick, and the same each time."""

import pytest
import schemathesis
from django.contrib.auth.models import Group
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import ApiToken, Person, User
from reviewqueue.wsgi import application
from reviews.models import Review, State
from testing.models import Substrate, TestResult, TestRun

EXAMPLES = 5  # of each operation and each reader

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


@pytest.fixture
def line(db):
    """Something to find: a review with a run that has a single test, and a reviewer with a token."""
    owner, now = Person.objects.create(username="ada"), timezone.now()
    review = Review.objects.create(
        pk=1, kind="new", title="t", state=State.NEW, owner=owner, created_at=now, updated_at=now, url="https://lp/1",
        api_url="https://api/1",
    )  # fmt: skip
    run = TestRun.objects.create(pk=1, review=review, substrate=Substrate.objects.get(name="lxc"))
    TestResult.objects.create(run=run, position=0, suite="s", test="t", duration=1.5)
    user = User.objects.create_user("rev")
    user.groups.add(Group.objects.get(name="reviewers"))
    _, key = ApiToken.objects.make(user, "fuzz")
    # As Django's own test client does: the test's transaction must outlive the request.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield key
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("who", ["visitor", "reviewer"])
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_request_breaks_the_api(case, line, who):
    headers = {"Authorization": f"Token {line}"} if who == "reviewer" else {}
    answer = case.call(headers=headers)
    case.validate_response(
        answer,
        checks=[
            not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
        ],
    )  # fmt: skip
