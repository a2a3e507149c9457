"""Calls a function in several real processes that begin together, on the test's database and settings.

The processes come from multiprocessing's fork server, a fresh process that holds neither threads nor a browser's event
loop nor connections: a copy of the test's own process may hold all of them, and crash. What they call is found by its
name, so it is a function at the top of a module.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from typing import Any

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import override_settings

if not apps.ready:  # in the fork server
    django.setup()

PROCESSES = 4
TIMEOUT_SECONDS = 300  # only what is broken takes as long
OF_THE_TEST = (
    "JENKINS_JOB_URL", "JENKINS_TIMEOUT", "JENKINS_TOKEN", "LAUNCHPAD_CREDENTIALS_FILE", "LAUNCHPAD_SERVICE_ROOT",
    "LAUNCHPAD_TIMEOUT", "TESTING_COMMENTS", "VAR_DIR",
)  # fmt: skip
PROCESS_CONTEXT = multiprocessing.get_context("forkserver")
PROCESS_CONTEXT.set_forkserver_preload(["pytest", __name__])


def at_once(work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call ``work(number, *arguments)`` in each process. Returns what each of them returned, in no order.

    Fails the test with the trace of a process that raised, and at once when one died.
    """
    of_the_test = {name: getattr(settings, name) for name in OF_THE_TEST}
    gate = PROCESS_CONTEXT.Barrier(PROCESSES)
    children: dict[Connection, Any] = {}
    answers = []
    try:
        for number in range(PROCESSES):
            reader, writer = PROCESS_CONTEXT.Pipe(duplex=False)
            call = (work, number, *arguments)
            name = connection.settings_dict["NAME"]
            child = PROCESS_CONTEXT.Process(target=_answer, args=(writer, gate, name, of_the_test, *call))
            child.start()
            writer.close()  # the child's is the last one: the pipe ends with the child
            children[reader] = child
        waiting = set(children)
        while waiting:
            ready = wait(waiting, TIMEOUT_SECONDS)
            if not ready:
                pytest.fail(f"{len(waiting)} of {PROCESSES} processes did not end in {TIMEOUT_SECONDS} seconds")
            for reader in ready:
                waiting.remove(reader)
                answers.append(_received(reader, children[reader]))
    finally:
        for reader, child in children.items():
            child.kill()
            child.join()
            reader.close()
    return answers


def until_killed(work: Callable[..., Any], *arguments: Any) -> None:
    """Call ``work(0, *arguments)`` in a process of its own, which has to kill itself with SIGKILL."""
    of_the_test = {name: getattr(settings, name) for name in OF_THE_TEST}
    _, writer = PROCESS_CONTEXT.Pipe(duplex=False)
    call = (work, 0, *arguments)
    gate = PROCESS_CONTEXT.Barrier(1)
    name = connection.settings_dict["NAME"]
    child = PROCESS_CONTEXT.Process(target=_answer, args=(writer, gate, name, of_the_test, *call))
    child.start()
    child.join(TIMEOUT_SECONDS)
    if child.exitcode != -signal.SIGKILL:
        child.kill()
        pytest.fail(f"the process was to be killed, and ended with {child.exitcode}")


def _received(reader: Any, child: Any) -> Any:
    try:
        problem, answer = reader.recv()
    except EOFError:
        child.join()
        pytest.fail(f"a process died with exit code {child.exitcode}")
    if problem:
        pytest.fail(f"a process raised\n{problem}")
    return answer


def _answer(
    writer: Any, gate: Barrier, database: str, of_the_test: dict[str, Any], work: Callable[..., Any], *call: Any
) -> None:
    """In the new process: ``(trace of what was raised, None)`` or ``("", what was returned)``."""
    connection.settings_dict["NAME"] = database
    try:
        with override_settings(**of_the_test):
            gate.wait(120)
            answer = ("", work(*call))
    except BaseException:
        answer = (traceback.format_exc(), None)
    finally:
        connection.close()
    writer.send(answer)
