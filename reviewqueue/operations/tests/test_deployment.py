"""The files that put the queue into production name only what exists, and all name the same settings."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from celery.bin.celery import celery
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# Read by the code, but no settings of a queue: the sandbox's own sign, Django's, what a shell or pip sets.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "ENV_FILE"}


def read_by_code():
    """Name and default (None where it is computed) of every setting that settings.py and gunicorn.conf.py read."""
    found = {}
    for name in ("reviewqueue/settings.py", "gunicorn.conf.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            of = ast.unparse(node.func)
            if not (re.fullmatch(r"env\.\w+", of) or of == "os.environ.get") or not isinstance(node.args[0].value, str):
                continue
            default = next((word.value for word in node.keywords if word.arg == "default"), None)
            default = node.args[1] if of == "os.environ.get" and len(node.args) > 1 else default
            try:
                value = ast.literal_eval(default) if default is not None else None
            except ValueError:
                value = eval(ast.unparse(default)) if re.fullmatch(r"[\d *]+", ast.unparse(default)) else None
            found[node.args[0].value] = value
    return {name: value for name, value in found.items() if name not in NOT_SETTINGS}


def in_example():
    return dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))


def in_documentation():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", (ROOT / "docs" / "settings.md").read_text(), re.M)
    return {name: "" if default == "none" else default.strip("`") for name, default in rows}


def test_settings_are_the_same_everywhere():
    code, example, documented = read_by_code(), in_example(), in_documentation()
    assert set(example) == set(documented)
    assert set(code) - set(example) == set()
    assert set(example) - set(code) == {"POSTGRES_PASSWORD"}  # compose.yaml's own
    assert example == documented
    for name, value in code.items():
        if value is None or name == "CSRF_TRUSTED_ORIGINS":
            continue
        spelled = ",".join(value) if isinstance(value, list) else str(value)
        spelled = spelled.lower() if isinstance(value, bool) else spelled
        assert example[name] == spelled, name


def check_command(words):
    """Fails unless the program, its subcommand and its options exist."""
    program, arguments = Path(words[0]).name, words[1:]
    if program == "gunicorn":
        assert arguments == ["reviewqueue.wsgi"]
    elif program == "celery":
        assert arguments[:2] == ["-A", "reviewqueue"]
        command = celery.commands[arguments[2]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments[3:] if word.startswith("-")} <= known
    elif program == "python" and arguments[0] == "manage.py":
        assert arguments[1] in get_commands()
    else:
        assert program == "python"
        assert arguments[0] == "-c"
        compile(arguments[1], "", "exec")
    assert program == "python" or (Path(sys.executable).parent / program).exists()


def test_compose_runs_what_exists():
    parts = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = parts["services"]
    assert {"web", "worker", "beat", "migrate", "postgres", "redis"} == set(services)
    for name in ("web", "worker", "beat", "migrate"):
        service = services[name]
        check_command(service["command"])
        assert service["env_file"] == ".env"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        named = set(service["environment"])
        assert named <= set(in_example())
    assert services["beat"].get("deploy") is None  # one beat
    assert set(parts["volumes"]) == {"data", "postgres"}
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= set(in_example())
    assert not re.search(r"(?i)(password|key|token)\s*[:=]\s*[\"']?[a-z0-9]{6,}", text)


def test_the_image_runs_what_exists_and_not_as_root():
    text = (ROOT / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.M)[1:]
    assert len(stages) == 2
    user = re.search(r"^USER (\d+):(\d+)$", stages[1], re.M)
    assert user
    assert "0" not in user.groups()
    for words in re.findall(r"CMD (\[.+\])$", stages[1], re.M):
        check_command(ast.literal_eval(words))
    for path in re.findall(r"^COPY (?!--from)(\S+) ", text, re.M):
        assert (ROOT / path).exists()
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", "lp-creds", "var", ".git"} <= set(ignored)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_run_what_exists_as_nobody_special(unit):
    text = unit.read_text()
    facts = dict(re.findall(r"^([A-Za-z]+)=(.*)$", text, re.M))
    words = shlex.split(facts["ExecStart"].replace("%%", "%"))
    assert words[0].startswith("/opt/review-queue/.venv/bin/")
    check_command(words)
    assert facts["User"] == "review-queue"
    assert (facts["NoNewPrivileges"], facts["ProtectSystem"]) == ("yes", "strict")
    assert (ROOT / facts["Documentation"].removeprefix("file:/opt/review-queue/")).exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(tmp_path):
    for unit in (ROOT / "deploy" / "systemd").iterdir():
        text = unit.read_text().replace("/opt/review-queue/.venv/bin/", f"{Path(sys.executable).parent}/")
        text = re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.M).replace("/opt/review-queue", str(ROOT))
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())], capture_output=True, text=True, timeout=600,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "review-queue" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_gunicorn_reads_its_configuration(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", "reviewqueue.wsgi"], capture_output=True, text=True,
        timeout=600, cwd=ROOT, env={**os.environ, "DEBUG": "true", "VAR_DIR": str(tmp_path), "WEB_WORKERS": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "kept", "said"),
    [
        ({}, None, "DEBUG=true manage.py runqueue"),
        ({}, "#SECRET_KEY=\nREVIEWER_TEAMS=us\n", "DEBUG=true manage.py runqueue"),
        ({}, "SECRET_KEY=long\n", "DEBUG= manage.py runqueue"),
        ({"SECRET_KEY": "long"}, None, "DEBUG= manage.py runqueue"),
        ({"DEBUG": "false"}, None, "DEBUG=false manage.py runqueue"),
        ({"PORT": "8001"}, None, "DEBUG=true manage.py runqueue --port 8001"),
    ],
)
def test_make_run_has_debug_pages_only_until_there_is_a_key_and_takes_a_port(tmp_path, given, kept, said):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / ".run").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "DEBUG=$DEBUG $@"\n')
    python.chmod(0o755)
    if kept is not None:
        (tmp_path / ".env").write_text(kept)
    environment = {name: value for name, value in os.environ.items() if name not in ("DEBUG", "SECRET_KEY", "PORT")}
    done = subprocess.run(
        ["make", "-s", "run"], capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment | given
    )  # fmt: skip
    assert done.stdout == f"{said}\n", done.stderr


@pytest.mark.parametrize(("wanted", "lines"), [("true", 1), ("false", 0)])
def test_the_settings_of_the_web_may_stand_in_the_env_file(tmp_path, wanted, lines):
    """As all others: gunicorn is started by itself, and nobody has exported them."""
    shutil.copy(ROOT / "gunicorn.conf.py", tmp_path)
    for room in ("reviewqueue", "core"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("tests"))
    (tmp_path / ".env").write_text(f"WEB_BIND=127.0.0.1:7\nWEB_WORKERS=3\nWEB_ACCESS_LOG={wanted}\n")
    code = """
import sys
from gunicorn.app.wsgiapp import WSGIApplication
sys.argv = ["gunicorn", "reviewqueue.wsgi"]
gunicorn = WSGIApplication()
print(gunicorn.cfg.address, gunicorn.cfg.workers)
log = gunicorn.cfg.logger_class(gunicorn.cfg)
log.access_log.info(gunicorn.cfg.access_log_format, {"m": "GET", "U": "/x/", "s": "200", "B": 5, "M": 3, "h": "h",
    "{x-request-id}o": "r1"})
"""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WEB_") and name != "ENV_FILE"
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, cwd=tmp_path,
        env={**environment, "DEBUG": "true", "VAR_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[('127.0.0.1', 7)] 3", done.stderr
    assert done.stderr.count("path=/x/") == lines, done.stderr


def test_the_proxy_keeps_everything_below_metrics_to_itself():
    text = (ROOT / "deploy" / "nginx" / "review-queue.conf").read_text()
    assert re.search(r"location /metrics \{ deny all; \}", text)  # a prefix: also /metrics/
