"""Logging in with a password, and changing it."""

from accounts.models import User

OLD, NEW = "correct horse", "battery staple 9"


def test_a_wrong_password_is_said_in_words_and_keeps_the_name(client, db):
    User.objects.create_user("marta", password=OLD)
    text = client.post("/login/", {"username": "marta", "password": "no", "next": "/search/"}).content.decode()
    assert "Username and password do not match" in text
    assert 'value="marta"' in text
    assert 'name="next" value="/search/"' in text


def test_hostile_names_are_text(client, db):
    for name in ("<script>alert(1)</script>", "x" * 10_000, "a\x00b", "\u202egnp"):
        answer = client.post("/login/", {"username": name, "password": "no"})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.content.decode()


def test_a_password_is_changed(client, db):
    user = User.objects.create_user("marta", password=OLD)
    client.force_login(user)
    form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    answer = client.post("/account/", form, follow=True)
    assert "Your password is changed" in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_bad_change_says_what_is_wrong(client, db):
    user = User.objects.create_user("marta", password=OLD)
    client.force_login(user)
    answer = client.post("/account/", {"old_password": "no", "new_password1": "1234", "new_password2": "1234"})
    text = answer.content.decode()
    assert "old password was entered incorrectly" in text
    assert "too short" in text
    user.refresh_from_db()
    assert user.check_password(OLD)


def test_without_a_password_none_is_asked_for(client, db):
    client.force_login(User.objects.create_user("marta"))
    text = client.get("/account/").content.decode()
    assert "has no password" in text
    assert "new_password1" not in text
    assert client.post("/account/", {}).status_code == 403


def test_visitors_are_sent_to_the_login(client, db):
    assert client.get("/account/").url == "/login/?next=/account/"
