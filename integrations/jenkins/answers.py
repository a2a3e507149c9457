"""What Jenkins answers, as typed objects. A field that is missing, or of another type than it should be, is None."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)

MAX_NUMBER = 10**18


def _none_if_invalid(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


def _objects_only(value: Any) -> list[Any]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


Lenient = Annotated[Value | None, WrapValidator(_none_if_invalid)]
Objects = Annotated[list[Value], BeforeValidator(_objects_only)]
Number = Annotated[StrictInt, Field(ge=0, lt=MAX_NUMBER)]


class Answer(BaseModel):
    """A part of an answer. What we did not ask for is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Parameter(Answer):
    """What a build was given."""

    name: Lenient[StrictStr] = None
    value: Any = None


class Action(Answer):
    """One of a build's or queue item's actions; those with parameters are of interest."""

    parameters: Objects[Parameter] = []


class _WithParameters(Answer):
    actions: Objects[Action] = []

    def parameter(self, name: str) -> str:
        """The value of a parameter as text; empty when there is none."""
        for action in self.actions:
            for parameter in action.parameters:
                if parameter.name == name:
                    return "" if parameter.value is None else str(parameter.value)
        return ""


class Executable(Answer):
    """The build that a queue item became."""

    number: Lenient[Number] = None
    url: Lenient[StrictStr] = None


class Task(Answer):
    """The job that a queue item is for."""

    url: Lenient[StrictStr] = None


class QueueItem(_WithParameters):
    """A build request that waits, or waited lately."""

    id: Lenient[Number] = None
    task: Lenient[Task] = None
    cancelled: Lenient[StrictBool] = None
    executable: Lenient[Executable] = None


class Queue(Answer):
    """All that waits."""

    items: Objects[QueueItem] = []


class Build(_WithParameters):
    """A build. ``result`` is None while it goes on; ``timestamp`` (its start) and ``duration`` are in milliseconds."""

    number: Lenient[Number] = None
    url: Lenient[StrictStr] = None
    building: Lenient[StrictBool] = None
    result: Lenient[StrictStr] = None
    timestamp: Lenient[Number] = None
    duration: Lenient[Number] = None

    @property
    def finished_at(self) -> datetime | None:
        """When it ended (UTC), if Jenkins says so."""
        if self.timestamp is None:
            return None
        try:
            return datetime.fromtimestamp((self.timestamp + (self.duration or 0)) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None


class ParameterDefinitions(Answer):
    """One of a job's properties; that of its parameters has some."""

    definitions: Objects[Parameter] = Field([], alias="parameterDefinitions")


class Job(Answer):
    """A job: whether it is enabled, what it declares, its newest builds."""

    buildable: Lenient[StrictBool] = None
    properties: Objects[ParameterDefinitions] = Field([], alias="property")
    builds: Objects[Build] = []
    url: Lenient[StrictStr] = None

    def declared(self) -> set[str]:
        """The names of its parameters."""
        return {definition.name for entry in self.properties for definition in entry.definitions if definition.name}


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is, in UTF-8, UTF-16 or UTF-32, with or without a BOM; None when it is none."""
    try:
        value = json.loads(body)  # which finds out about the encoding
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_answer(model: type[Model], body: bytes) -> Model | None:
    """A body as a typed answer; None when it is no JSON object."""
    value = read_object(body)
    return None if value is None else model.model_validate(value)
