"""Accounts and API tokens in the admin."""

from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import ApiToken, User

FORM = {"name": "nightly", "days": "30"}


def test_an_account_that_did_something_is_kept(client, staff):
    client.post("/admin/accounts/user/add/", {"username": "new", "password1": "battery staple 9",
                                              "password2": "battery staple 9", "usable_password": "true"})  # fmt: skip
    page = client.post(f"/admin/accounts/user/{staff.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
    assert "stand in the log of what staff did" in page
    assert LogEntry.objects.filter(user=staff).exists()


def test_an_account_that_did_nothing_is_deleted(client, staff):
    idle = User.objects.create_user("idle")
    client.post(f"/admin/accounts/user/{idle.pk}/delete/", {"post": "yes"})
    assert list(User.objects.all()) == [staff]


def test_accounts_are_not_deleted_by_the_dozen(client, staff):
    assert "delete_selected" not in client.get("/admin/accounts/user/").content.decode()


def test_a_token_is_shown_once(client, staff):
    page = client.post("/admin/accounts/apitoken/add/", {"user": staff.pk, **FORM}, follow=True)
    shown = [str(message) for message in page.context["messages"] if "shown this once" in str(message)]
    text = shown[0].rsplit(": ", 1)[1]
    assert Client().get("/api/reviews/", headers={"Authorization": f"Token {text}"}).status_code == 200
    for place in ("/admin/accounts/apitoken/", "/admin/", "/admin/admin/logentry/"):
        assert text not in client.get(place).content.decode()


def test_a_token_for_nobody_is_refused_at_its_field(client, staff):
    answer = client.post("/admin/accounts/apitoken/add/", {"user": "nobody", **FORM})
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.content.decode()


def test_a_token_without_an_end_is_refused(client, staff):
    answer = client.post("/admin/accounts/apitoken/add/", {"user": staff.pk, "name": "for ever", "days": ""})
    assert "This field is required" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_staff_revoke_one_token(client, staff):
    token, text = ApiToken.objects.make(User.objects.create_user("robot"), "nightly")
    page = client.post(f"/admin/accounts/apitoken/{token.pk}/delete/", {"post": "yes"}, follow=True)
    assert "nightly of robot" in page.content.decode()
    assert Client().get("/api/reviews/", headers={"Authorization": f"Token {text}"}).status_code == 403


def test_staff_revoke_all_tokens_of_an_account(staff, choose):
    robot = User.objects.create_user("robot")
    for name in ("nightly", "weekly"):
        ApiToken.objects.make(robot, name)
    assert "2 tokens revoked" in choose("accounts/user", "revoke_tokens", robot, staff)
    assert not ApiToken.objects.exists()
    log = LogEntry.objects.values_list("user__username", "object_repr", "change_message")
    assert list(log) == [("boss", "robot", "API tokens revoked")]
