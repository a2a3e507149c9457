"""Believable diffs for the sandbox's Launchpad: what Bazaar and Git say of a change to a charm."""

from __future__ import annotations

import difflib
import zlib

HOOK = """#!/usr/bin/env python
import os
import subprocess
import sys

from charmhelpers.core import hookenv, host
from charmhelpers.core.templating import render

hooks = hookenv.Hooks()
CONFIG = '/etc/{name}/{name}.conf'


def packages():
    \"\"\"What has to be installed.\"\"\"
    return ['{name}', 'python-yaml']


@hooks.hook('install')
def install():
    subprocess.check_call(['apt-get', 'install', '-y'] + packages())
    host.mkdir(os.path.dirname(CONFIG), perms=0o755)


@hooks.hook('config-changed')
def config_changed():
    config = hookenv.config()
    render('{name}.conf', CONFIG, {{'port': config['port']}}, perms=0o644)
    host.service_restart('{name}')
    hookenv.open_port(config['port'])


@hooks.hook('website-relation-joined')
def website_relation_joined():
    hookenv.relation_set(port=hookenv.config('port'), hostname=hookenv.unit_private_ip())


if __name__ == '__main__':
    hooks.execute(sys.argv)
"""
SHELL = """#!/bin/bash
set -u

juju-log "{name}: started"
port=$(config-get port)
if [ -z "$port" ]; then
    juju-log "no port is configured"
    exit 1
fi
sed -i "s/^port=.*/port=$port/" /etc/{name}.conf
service {name} restart
open-port "$port"
"""
CONFIG = """options:
  port:
    type: int
    default: 80
    description: Port that the service listens on.
  package_status:
    default: install
    type: string
    description: Set to hold to keep the installed version.
"""
TESTS = """#!/usr/bin/env python
import unittest

import amulet

SECONDS = 900


class TestDeployment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = amulet.Deployment(series='trusty')
        cls.deployment.add('{name}')
        cls.deployment.setup(timeout=SECONDS)
        cls.unit = cls.deployment.sentry['{name}'][0]

    def test_the_service_runs(self):
        output, code = self.unit.run('service {name} status')
        self.assertEqual(code, 0, output)


if __name__ == '__main__':
    unittest.main()
"""
NEW_TEST = """
    def test_{slug}(self):
        # {reason}
        output, code = self.unit.run('test -e /etc/{name}/{slug}.conf')
        self.assertEqual(code, 0, 'expected the file: ' + output)
"""
STAMPS = ("2026-03-02 10:00:00 +0000", "2026-03-09 16:20:00 +0000")


def believable_diff(branch: str, title: str, reason: str, file: str, *, is_git: bool = False) -> str:
    """The diff of a change to a file and to what goes with it: the same for the same change."""
    slug = branch.replace("-", "_")
    name = file.split("/")[-1].split(".")[0].replace("-", "_") or "charm"
    luck = zlib.crc32(branch.encode())
    parts = [_changed(file, *_code(file, name, slug, title, reason), is_git)]
    if luck % 3 and file != "config.yaml":
        parts.append(_changed("config.yaml", CONFIG, CONFIG + _option(slug, reason), is_git))
    if luck % 2 and file != "tests/10-deploy":
        parts.append(_changed("tests/10-deploy", *_tests(name, slug, reason), is_git))
    parts.append(_changed("README.md", "# A charm\n", f"# A charm\n\n{title}.\n{reason}\n", is_git))
    if luck % 5 == 0:
        parts.append(_binary("icon.png", is_git))
    if luck % 4 == 1:
        parts.append(_executable("hooks/stop", is_git))
    return "".join(parts)


def answered(diff: str) -> str:
    """The diff after its submitter has answered a remark: its last new line is another one."""
    lines = diff.split("\n")
    last = max(number for number, line in enumerate(lines) if line.startswith("+") and not line.startswith("+++"))
    lines[last] += " As discussed in the review."
    return "\n".join(lines)


def _tests(name: str, slug: str, reason: str) -> tuple[str, str]:
    """The tests of a charm before and after."""
    old = TESTS.format(name=name)
    more = NEW_TEST.format(slug=slug, reason=reason, name=name)
    return old, old.replace("\n\nif __name__", f"{more}\n\nif __name__", 1)


def _code(file: str, name: str, slug: str, title: str, reason: str) -> tuple[str, str]:
    """The file before and after."""
    if file.startswith("tests/"):
        return _tests(name, slug, reason)
    if file.endswith((".yaml", ".yml")):
        return CONFIG, CONFIG.replace("default: 80", "default: 8080") + _option(slug, reason)
    if file.endswith(".js"):
        old = f"var {name} = function(view) {{\n  this.view = view;\n}};\n\n{name}.prototype.render = function() {{\n"
        old += "  this.view.update(this.data);\n};\n"
        return old, old.replace(
            "  this.view.update", f"  // {reason}\n  if (!this.data) {{\n    return;\n  }}\n  this.view.update"
        )
    if file.endswith(".py") or "hookenv" in file:
        old = HOOK.format(name=name)
        new = old.replace(
            "def packages():",
            f'def {slug}(config):\n    """{title}."""\n    # {reason}\n'
            f"    return config.get('{slug}') or os.environ.get('{slug.upper()}', '')\n\n\ndef packages():",
        )
        return old, new.replace("    host.service_restart", f"    if {slug}(config):\n        host.service_restart", 1)
    old = SHELL.format(name=name)
    new = old.replace("set -u\n", f"# {title}.\nset -eu\n").replace("service ", f"# {reason}\nservice ")
    return old, new.removesuffix("\n")


def _option(slug: str, reason: str) -> str:
    return f"  {slug}:\n    type: boolean\n    default: false\n    description: {reason}\n"


def _changed(path: str, old: str, new: str, is_git: bool) -> str:
    if is_git:
        index = f"index {zlib.crc32(old.encode()):08x}..{zlib.crc32(new.encode()):08x} 100644"
        head = f"diff --git a/{path} b/{path}\n{index}\n--- a/{path}\n+++ b/{path}\n"
    else:
        head = f"=== modified file '{path}'\n--- {path}\t{STAMPS[0]}\n+++ {path}\t{STAMPS[1]}\n"
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True))
    body = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return head + "".join(body[2:]) + ("" if is_git else "\n")


def _binary(path: str, is_git: bool) -> str:
    if is_git:
        return (
            f"diff --git a/{path} b/{path}\nindex 1f2a3b4..5c6d7e8 100644\nBinary files a/{path} and b/{path} differ\n"
        )
    return f"=== modified file '{path}'\nBinary files {path}\t{STAMPS[0]} and {path}\t{STAMPS[1]} differ\n"


def _executable(path: str, is_git: bool) -> str:
    if is_git:
        return f"diff --git a/{path} b/{path}\nold mode 100644\nnew mode 100755\n"
    return f"=== modified file '{path}' (properties changed: -x to +x)\n"
