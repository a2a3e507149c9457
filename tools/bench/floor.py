"""The floor: a bare Django project on the same database, without middleware, session, or anything of ours.

``/rows`` and its siblings run one query with the joins that the page needs and render the same number of rows by a
plain template; ``/json`` answers them as JSON; ``/run/<id>/`` is a bare DRF POST that locks and updates one row.
Served as ``tools.bench.floor:application``; it imports nothing of the program.
"""

import os

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="floor",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": __import__("environ").Env().db_url("DATABASE_URL")},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    MIDDLEWARE=[],
    ROOT_URLCONF="tools.bench.floor",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.cached.Loader",
                        [("django.template.loaders.locmem.Loader", {})],
                    )
                ]
            },
        }
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
    settings.DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    settings.DATABASES["default"]["CONN_MAX_AGE"] = 60
    settings.DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.template import engines  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

OPEN = ("new", "pending", "follow-up", "ready")


class Table(models.Model):
    class Meta:
        abstract = True
        app_label = "floor"
        managed = False


class Person(Table):
    username = models.CharField(max_length=255)
    display_name = models.CharField(max_length=255)

    class Meta(Table.Meta):
        db_table = "accounts_person"


class Review(Table):
    title = models.TextField()
    state = models.CharField(max_length=16)
    kind = models.CharField(max_length=8)
    url = models.CharField(max_length=1000)
    api_url = models.CharField(max_length=1000)
    revision = models.CharField(max_length=255)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    locked_by = models.ForeignKey(Person, null=True, on_delete=models.CASCADE, related_name="+")
    square = models.CharField(max_length=8)
    positive_votes = models.IntegerField()
    negative_votes = models.IntegerField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    synced_at = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        db_table = "reviews_review"


class Comment(Table):
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    content = models.TextField()
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        db_table = "reviews_comment"


class Run(Table):
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="+")
    substrate_id = models.IntegerField()
    revision = models.CharField(max_length=255)
    status = models.CharField(max_length=16)
    attempt = models.IntegerField()
    build_url = models.CharField(max_length=1000)
    result_url = models.CharField(max_length=1000)
    error = models.TextField()
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        db_table = "testing_testrun"


PAGE = "<!doctype html><html><head><title>Floor</title></head><body><table>{}</table></body></html>"
TEMPLATES = {
    "rows": PAGE.format(
        "{% for row in rows %}<tr><td>{{ row.updated_at|date:'c' }}</td><td>{{ row.state }}</td>"
        '<td><a href="/reviews/{{ row.pk }}/">{{ row.title }}</a> <a href="{{ row.url }}">Launchpad</a></td>'
        "<td>{{ row.owner.display_name }}</td><td>+{{ row.positive_votes }} -{{ row.negative_votes }}</td>"
        "<td>{{ row.square }}</td><td>{{ row.locked_by.username }}</td></tr>{% endfor %}"
    ),
    "comments": PAGE.format(
        "{% for row in rows %}<tr><td>{{ row.created_at|date:'c' }}</td><td>{{ row.author.display_name }}</td>"
        "<td>{{ row.content }}</td></tr>{% endfor %}"
    ),
    "runs": PAGE.format(
        "{% for row in rows %}<tr><td>{{ row.pk }}</td><td>{{ row.review.title }}</td><td>{{ row.substrate_id }}</td>"
        "<td>{{ row.status }}</td><td>{{ row.attempt }}</td><td>{{ row.created_at|date:'c' }}</td>"
        "<td>{{ row.next_attempt_at|date:'c' }}</td><td>{{ row.error }}</td></tr>{% endfor %}"
    ),
}
COMPILED = {name: engines["django"].from_string(text) for name, text in TEMPLATES.items()}


def _wanted(request: HttpRequest) -> int:
    return int(request.GET["n"])


def _line() -> "models.QuerySet[Review]":
    return Review.objects.filter(state__in=OPEN).select_related("owner", "locked_by").order_by("updated_at", "pk")


def rows(request: HttpRequest) -> HttpResponse:
    return HttpResponse(COMPILED["rows"].render({"rows": _line()[: _wanted(request)]}))


def newest(request: HttpRequest) -> HttpResponse:
    found = Review.objects.select_related("owner", "locked_by").order_by("-updated_at", "-pk")[: _wanted(request)]
    return HttpResponse(COMPILED["rows"].render({"rows": found}))


def comments(request: HttpRequest) -> HttpResponse:
    found = Comment.objects.select_related("author").order_by("-pk")[: _wanted(request)]
    return HttpResponse(COMPILED["comments"].render({"rows": found}))


def runs(request: HttpRequest) -> HttpResponse:
    found = Run.objects.select_related("review").order_by("-created_at", "-pk")[: _wanted(request)]
    return HttpResponse(COMPILED["runs"].render({"rows": found}))


def as_json(request: HttpRequest) -> HttpResponse:
    found = [
        {
            "id": row.pk, "kind": row.kind, "title": row.title, "state": row.state, "square": row.square,
            "url": row.url, "api_url": row.api_url, "revision": row.revision,
            "owner": {"username": row.owner.username, "display_name": row.owner.display_name},
            "votes": {"positive": row.positive_votes, "negative": row.negative_votes},
            "locked_by": row.locked_by and row.locked_by.username, "created_at": row.created_at,
            "updated_at": row.updated_at, "synced_at": row.synced_at,
        }
        for row in _line()[: _wanted(request)]
    ]  # fmt: skip
    return JsonResponse({"results": found})


class RunSerializer(serializers.ModelSerializer):
    class Meta:
        model = Run
        fields = [
            "id", "review_id", "substrate_id", "revision", "status", "attempt", "build_url", "result_url", "error",
            "created_at", "next_attempt_at", "started_at", "finished_at", "posted_at",
        ]  # fmt: skip


class SaidSerializer(serializers.Serializer):
    status = serializers.CharField(max_length=32)
    build_url = serializers.CharField(required=False, allow_blank=True, default="")


class RunView(APIView):
    """Lock one row, update it, answer it."""

    def post(self, request, pk: int) -> Response:
        said = SaidSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        with transaction.atomic():
            run = Run.objects.select_for_update().get(pk=pk)
            run.build_url = said.validated_data["build_url"]
            run.save(update_fields=["build_url"])
        return Response(RunSerializer(run).data)


urlpatterns = [
    path("rows", rows),
    path("newest", newest),
    path("comments", comments),
    path("runs", runs),
    path("json", as_json),
    path("run/<int:pk>/", RunView.as_view()),
]
os.environ.setdefault(
    "DJANGO_SETTINGS_MODULE", "tools.bench.floor"
)  # DRF asks for it by name; settings are configured above
application = get_wsgi_application()
