"""What a declarative Jenkinsfile says, read by evaluating it as Groovy (``groovy/read.groovy``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.artifacts import tools

Call = Mapping[str, Any]


@dataclass(frozen=True)
class Shell:
    """A ``sh`` step: its script, the credentials bound around it as (kind, id, variable), the container it is in.

    ``interpolated`` where Groovy puts values into the script, which then show in the log.
    """

    script: str
    interpolated: bool
    credentials: tuple[tuple[str, str, str], ...] = ()
    container: str = ""


@dataclass(frozen=True)
class Stage:
    """A stage, with the pipeline's own agent, environment and options where it has none."""

    name: str
    agent: Call
    environment: Mapping[str, str]
    options: tuple[Call, ...]
    when: tuple[Call, ...]
    asks: bool
    shells: tuple[Shell, ...]
    always: tuple[Call, ...]


@dataclass(frozen=True)
class Pipeline:
    """A Jenkinsfile; ``parameters`` by name with their defaults."""

    parameters: Mapping[str, Any]
    stages: tuple[Stage, ...]


def read(paths: Sequence[Path], parameters: Mapping[str, Any]) -> dict[str, Pipeline]:
    """The pipelines by file name, as they are with these parameters."""
    reader = tools.HERE / "groovy" / "read.groovy"
    answer = tools.java("groovy.ui.GroovyMain", str(reader), json.dumps(parameters), *map(str, paths))
    assert answer.returncode == 0, answer.stderr
    trees = json.loads(answer.stdout)
    return {path.name: _pipeline(_one(trees[str(path)], "pipeline")) for path in paths}


def _pipeline(tree: Call) -> Pipeline:
    parameters = {
        call["arguments"][0]["name"]: call["arguments"][0]["defaultValue"] for call in _in(tree, "parameters")
    }
    return Pipeline(parameters, tuple(_stages(tree)))


def _stages(*outer: Call) -> Iterator[Stage]:
    """The stages of the innermost block, of a matrix the stages of one cell."""
    for call in _in(outer[-1], "stages"):
        if matrix := _named(call, "matrix"):
            yield from _stages(*outer, *matrix)
        else:
            yield _stage(outer, call)


def _stage(outer: Sequence[Call], stage: Call) -> Stage:
    environment = {name: value for block in (*outer, stage) for name, value in _sets(block).items()}
    post = [call for call in _in(stage, "post") if call["name"] == "always"]
    return Stage(
        stage["arguments"][0],
        next(agent for block in (stage, *reversed(outer)) for agent in _named(block, "agent")),
        {name: _text(value) for name, value in environment.items()},
        tuple(option for block in (*outer, stage) for option in _in(block, "options")),
        tuple(_in(stage, "when")),
        bool(_named(stage, "input")),
        tuple(_shells(_one(stage, "steps"))),
        tuple(call for found in post for call in found["calls"]),
    )


def _shells(block: Call, credentials: tuple[tuple[str, str, str], ...] = (), container: str = "") -> Iterator[Shell]:
    for call in block["calls"]:
        if call["name"] == "sh":
            yield Shell(_text(call["arguments"][0]), isinstance(call["arguments"][0], dict), credentials, container)
        elif call["name"] == "withCredentials":
            yield from _shells(call, (*credentials, *map(_credential, call["arguments"][0])), container)
        elif call["name"] == "catchError":
            yield from _shells(call, credentials, container)
        elif call["name"] == "unstash":
            continue
        elif call["name"] == "container":
            yield from _shells(call, credentials, call["arguments"][0])
        else:
            raise AssertionError(f"a step the tests do not know: {call['name']}")


def _credential(binding: Call) -> tuple[str, str, str]:
    says = binding["arguments"][0]
    return binding["name"], says["credentialsId"], says["variable"]


def _text(value: Any) -> str:
    return str(value["interpolated"] if isinstance(value, dict) else value)


def _sets(block: Call) -> dict[str, Any]:
    return {name: value for call in _named(block, "environment") for name, value in call["sets"].items()}


def _named(block: Call, name: str) -> list[Call]:
    return [call for call in block["calls"] if call["name"] == name]


def _one(block: Call, name: str) -> Call:
    (found,) = _named(block, name)
    return found


def _in(block: Call, name: str) -> list[Call]:
    return [call for found in _named(block, name) for call in found["calls"]]
