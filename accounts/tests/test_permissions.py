"""Staff never get further than they may: neither by the forms of the admin nor by forged ones."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from social_django.models import UserSocialAuth

from accounts.models import ApiToken, Person, User

NEW = "battery staple 9"
PASSWORD = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}
EVERYTHING = [
    f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in ("user", "apitoken", "group")
] + ["view_usersocialauth", "change_usersocialauth", "add_usersocialauth", "delete_usersocialauth"]


@pytest.fixture
def helpdesk(clerk):
    """Staff who may do everything with accounts that a permission gives, and nothing else."""
    return clerk(*EVERYTHING)


def make(name, *, codename="", group="", person=None, **facts):
    user = User.objects.create_user(name, password="correct horse", person=person, **facts)
    if codename:
        user.user_permissions.add(Permission.objects.get(codename=codename))
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture(params=["superuser", "staff who may more", "reviewer by team", "reviewer by group",
                        "staff who is switched off"])  # fmt: skip
def stronger(request, db):
    """An account that may what the helpdesk may not."""
    if request.param == "superuser":
        return User.objects.create_superuser("root", password="correct horse")
    if request.param.startswith("staff"):
        return make("tester", codename="change_testrun", is_staff=True, is_active="more" in request.param)
    if request.param == "reviewer by team":
        return make("rev", person=Person.objects.create(username="rev", is_reviewer=True))
    return make("rev", group="reviewers")


def form_of(user, **changes):
    return {"username": user.username, "email": "", "is_active": "on", **changes}


def test_the_password_of_a_stronger_account_is_not_set(client, helpdesk, stronger):
    assert client.post(f"/admin/accounts/user/{stronger.pk}/password/", PASSWORD).status_code == 403
    stronger.refresh_from_db()
    assert stronger.check_password("correct horse")


def test_a_stronger_account_is_not_edited(client, helpdesk, stronger):
    page = f"/admin/accounts/user/{stronger.pk}/change/"
    assert client.post(page, form_of(stronger, username="mine")).status_code == 403
    shown = client.get(page).content.decode()  # looking is allowed
    assert "only a superuser edits it" in shown
    assert "/password/" not in shown
    assert User.objects.filter(username=stronger.username).exists()


def test_a_stronger_account_is_not_deleted(client, helpdesk, stronger):
    assert client.post(f"/admin/accounts/user/{stronger.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=stronger.pk).exists()


def test_no_token_is_made_for_a_stronger_account(client, helpdesk, stronger):
    form = {"user": stronger.pk, "name": "mine", "days": "30"}
    assert "may more than you" in client.post("/admin/accounts/apitoken/add/", form).content.decode()
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("way", ["its page", "the list", "the account"])
def test_the_tokens_of_a_stronger_account_are_not_revoked(client, helpdesk, stronger, choose, way):
    token, _ = ApiToken.objects.make(stronger, "nightly")
    if way == "its page":
        client.post(f"/admin/accounts/apitoken/{token.pk}/delete/", {"post": "yes"})
    elif way == "the list":
        choose("accounts/apitoken", "delete_selected", token, post="yes")
    else:
        assert "1 skipped" in choose("accounts/user", "revoke_tokens", stronger)
    assert ApiToken.objects.exists()


def test_the_login_of_a_stronger_account_is_not_taken(client, helpdesk, stronger):
    mine = UserSocialAuth.objects.create(user=helpdesk, provider="launchpad", uid="mine")
    theirs = UserSocialAuth.objects.create(user=stronger, provider="launchpad", uid="theirs")
    forged = {"user": stronger.pk, "provider": "launchpad", "uid": "mine", "extra_data": "{}"}
    client.post(f"/admin/social_django/usersocialauth/{mine.pk}/change/", forged)
    client.post("/admin/social_django/usersocialauth/add/", {**forged, "uid": "another"})
    client.post(f"/admin/social_django/usersocialauth/{theirs.pk}/delete/", {"post": "yes"})
    found = UserSocialAuth.objects.order_by("pk").values_list("user__username", "uid")
    assert list(found) == [("clerk", "mine"), (stronger.username, "theirs")]


def test_a_weaker_account_gets_a_new_password(client, helpdesk):
    user = make("marta")
    assert client.post(f"/admin/accounts/user/{user.pk}/password/", PASSWORD).status_code == 302
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_superuser_sets_any_password(client, staff, stronger):
    assert client.post(f"/admin/accounts/user/{stronger.pk}/password/", PASSWORD).status_code == 302


@pytest.mark.parametrize("field", ["is_superuser", "is_staff", "groups", "user_permissions"])
def test_nobody_is_made_more_than_they_are(client, helpdesk, field):
    user = make("marta")
    value = {"groups": Group.objects.get(name="reviewers").pk,
             "user_permissions": Permission.objects.get(codename="change_testrun").pk}.get(field, "on")  # fmt: skip
    client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, **{field: value}))
    user = User.objects.get(pk=user.pk)
    assert [user.is_superuser, user.is_staff, user.groups.count(), user.user_permissions.count()] == [False] * 4


@pytest.mark.parametrize("way", ["named as", "renamed to", "joined to"])
def test_no_account_becomes_a_reviewer_by_its_name_or_person(client, helpdesk, way):
    person = Person.objects.create(username="marta-k", is_reviewer=True)
    user = make("weak")
    if way == "named as":
        answer = client.post("/admin/accounts/user/add/", {"username": "marta-k", **PASSWORD})
    elif way == "renamed to":
        answer = client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, username="marta-k"))
    else:
        answer = client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, person=person.pk))
    assert "is a reviewer, and you are not" in answer.content.decode()
    assert not User.objects.filter(username="marta-k").exists()
    assert not User.objects.filter(person=person).exists()


def test_the_person_of_another_account_is_not_taken(client, helpdesk):
    User.objects.create_superuser("root")
    person, user = Person.objects.create(username="root"), make("weak")
    answer = client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, person=person.pk))
    assert "belongs to the account root" in answer.content.decode()
    assert not User.objects.filter(person=person).exists()


def test_a_superuser_joins_an_account_to_a_reviewer(client, staff):
    person, user = Person.objects.create(username="marta-k", is_reviewer=True), make("weak")
    client.post(f"/admin/accounts/user/{user.pk}/change/", form_of(user, person=person.pk))
    assert User.objects.get(person=person) == user


def test_groups_are_for_superusers(client, helpdesk):
    group = Group.objects.get(name="reviewers")
    allowed = Permission.objects.get(codename="change_testrun")
    page = f"/admin/auth/group/{group.pk}/"
    assert client.post(page + "change/", {"name": "reviewers", "permissions": [allowed.pk]}).status_code == 403
    assert client.post(page + "delete/", {"post": "yes"}).status_code == 403
    assert client.post("/admin/auth/group/add/", {"name": "mine"}).status_code == 403
    assert (list(Group.objects.all()), group.permissions.count()) == ([group], 0)


def test_a_superuser_edits_groups(client, staff):
    client.post("/admin/auth/group/add/", {"name": "testers"})
    assert Group.objects.filter(name="testers").exists()


def test_a_password_that_was_set_ends_the_sessions_of_before(client, staff):
    user = make("marta")
    session = Client()
    session.force_login(user)
    client.post(f"/admin/accounts/user/{user.pk}/password/", PASSWORD)
    assert session.get("/account/").status_code == 302


@pytest.mark.parametrize("name", ["ROOT", "Root"])
def test_no_account_gets_the_name_of_another_in_other_letters(client, helpdesk, name):
    User.objects.create_superuser("root", password="correct horse")
    weak = make("weak")
    answer = client.post(f"/admin/accounts/user/{weak.pk}/change/", form_of(weak, username=name))
    assert "There is an account root" in answer.content.decode()
    weak.refresh_from_db()
    assert weak.username == "weak"


def test_no_account_gets_the_name_of_a_reviewer_in_other_letters(client, helpdesk):
    Person.objects.create(username="rev", is_reviewer=True)
    weak = make("weak")
    answer = client.post(f"/admin/accounts/user/{weak.pk}/change/", form_of(weak, username="Rev"))
    assert "rev is a reviewer, and you are not" in answer.content.decode()
