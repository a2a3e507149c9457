"""Parameters of a job's own: fixed values, and templates that are filled in for each run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from reviews.models import Review
from testing.ci import Change
from testing.models import TestRun

# What a template may name.
NAMES = ("substrate", "branch", "source", "target", "revision", "title", "bug", "run", "kind")
# What every build gets from us: a parameter of that name would hide it.
OURS = {"url", "cause", "callback_url", "job_id", "envs", "token", "revision", "branch", "json", "delay"} | {
    field.name for field in fields(Change)
}
MAX_PARAMETERS, MAX_VALUE = 50, 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_PLACE = re.compile(r"\{([^{}]*)\}")


def problems_of(parameters: object) -> list[str]:
    """What is wrong with the parameters that staff entered, in sentences."""
    if not isinstance(parameters, dict):
        return ['Write an object of names and texts, as {"CLOUD": "{substrate}"}.']
    if len(parameters) > MAX_PARAMETERS:
        return [f"There can be at most {MAX_PARAMETERS} parameters."]
    found = []
    for name, value in parameters.items():
        if not _NAME.fullmatch(name):
            found.append(f"{name!r} can't be the name of a parameter: use letters, digits and _ . - only.")
        elif name.lower() in OURS:
            found.append(f"{name} is a parameter that every build gets from Review Queue: use another name.")
        if not isinstance(value, str):
            found.append(f"The value of {name} is not a text: put it into quotes.")
            continue
        if len(value) > MAX_VALUE:
            found.append(f"The value of {name} is longer than {MAX_VALUE} characters.")
        unknown = [place for place in _PLACE.findall(value) if place not in NAMES]
        if unknown:
            words = ", ".join(f"{{{place}}}" for place in unknown)
            known = " ".join(f"{{{each}}}" for each in NAMES)
            found.append(f"{words} in {name} is not known. Known are: {known}.")
        elif re.search(r"[{}]", _PLACE.sub("", value)):
            found.append(f"The value of {name} has a brace without its other.")
    return found


def filled_in(parameters: Mapping[str, str], run: TestRun) -> dict[str, str]:
    """The parameters of a run's build (reads the review with its source, or the target, and the substrate)."""
    values = _values_of_review(run, run.review) if run.review else _values_of_target(run)
    return {name: _PLACE.sub(lambda place: values[place.group(1)], value) for name, value in parameters.items()}


def _values_of_target(run: TestRun) -> dict[str, str]:
    """What a template gets of a run that tests a target by itself."""
    target, baseline = run.target_branch or run.target_url, run.baseline
    return dict.fromkeys(NAMES, "") | {
        "substrate": run.substrate.name,
        "branch": target,
        "source": baseline.source.name if baseline else "",
        "target": target,
        "title": " ".join(f"The target {baseline}".split())[:200],
        "run": str(run.pk),
        "kind": "target",
    }


def _values_of_review(run: TestRun, review: Review) -> dict[str, str]:
    is_proposal = review.kind == review.Kind.UPDATE
    return {
        "substrate": run.substrate.name,
        "branch": review.source_branch or review.branch,
        "source": review.source.name if review.source else "",
        "target": run.target_branch or run.target_url or review.target_branch or review.target_url,
        "revision": run.revision,
        "title": " ".join(review.title.split())[:200],
        "bug": "" if is_proposal or review.number is None else str(review.number),
        "run": str(run.pk),
        "kind": review.kind,
    }
