"""What GitHub's runner does with an action and with what it writes, as far as the tests need it.

Source: ActionCommand.cs, FileCommandManager.cs and ContainerActionHandler.cs of actions/runner.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ACTION = Path(__file__).resolve().parents[1] / "action.yml"
_KNOWN = ("error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "stop-commands", "set-output")


@dataclass(frozen=True)
class Command:
    """What the runner makes of a line."""

    name: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)


def obeyed(line: str) -> Command | None:
    """The command on a line: the new style is looked for first, then the old one."""
    found = re.match(r"\s*::(?P<name>[^ :]+)(?: (?P<pairs>.*?))?::(?P<message>.*)", line, re.S)
    if found and found["name"] in _KNOWN:
        pairs = [pair.partition("=") for pair in (found["pairs"] or "").split(",") if "=" in pair]
        properties = {name.strip(): urllib.parse.unquote(value) for name, _, value in pairs}
        return Command(found["name"], urllib.parse.unquote(found["message"]), properties)
    old = re.search(r"##\[([^\] ]+)[^\]]*\](.*)", line, re.S)
    return Command(old[1], old[2]) if old and old[1] in _KNOWN else None


def commands(text: str) -> list[Command]:
    """All commands in a log."""
    return [found for line in re.split(r"[\r\n]", text) if (found := obeyed(line))]


def written(text: str) -> dict[str, str]:
    """What is in GITHUB_OUTPUT."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        if re.match(r"\w+=", line):
            name, _, found[name] = line.partition("=")
            continue
        name, mark, end = line.partition("<<")
        assert mark, f"not NAME<<END: {line!r}"
        value = []
        for part in lines:
            if part == end:
                break
            value.append(part)
        else:
            raise AssertionError(f"{name} does not end")
        found[name] = "\n".join(value)
    return found


def inputs(**given: str) -> dict[str, str]:
    """The variables of a step's ``with``: upper case, hyphens kept, defaults filled in, empty for what is unset.

    ``given`` has underscores for hyphens.
    """
    known = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    named = {name.replace("_", "-"): value for name, value in given.items()}
    assert set(named) <= set(known), "an input that action.yml does not have"
    values = {name: str(entry.get("default", "")) for name, entry in known.items()} | named
    return {f"INPUT_{name.upper()}": value for name, value in values.items()}


def environment(workspace: Path, commands: Path) -> dict[str, str]:
    """What the runner tells a step of itself; it makes the files in ``commands``."""
    names = {"GITHUB_OUTPUT": commands / "set_output", "GITHUB_STEP_SUMMARY": commands / "step_summary"}
    for path in names.values():
        path.touch()
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "octo/shop",
        "GITHUB_SHA": "c0ffee",
        **{name: str(path) for name, path in names.items()},
    }


def expanded(value: Any, context: Mapping[str, str]) -> str:
    """A ``with`` or ``env`` value with its ``${{ … }}``; ``context`` has all that may be named, by its whole path."""
    text = {True: "true", False: "false"}.get(value, str(value))
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: context[found[1]], text)


def job(workflow: str, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The variables of a workflow's job, and its steps."""
    said = yaml.safe_load(workflow)
    found = said["jobs"][name]
    return {**said.get("env", {}), **found.get("env", {})}, found["steps"]
