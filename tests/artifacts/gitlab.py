"""What GitLab makes of ``.gitlab-ci.yml``, as far as the example needs it: ``extends``, variables, the job's script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_WORDS = {"stages", "default", "variables", "workflow", "include"}


@dataclass(frozen=True)
class Job:
    """A job with what it extends and the file's defaults merged in."""

    name: str
    says: Mapping[str, Any]

    @property
    def script(self) -> str:
        """The lines as the runner hands them to the shell."""
        return "\n".join(self.says["script"]) + "\n"

    @property
    def reports(self) -> dict[str, str]:
        return dict(self.says.get("artifacts", {}).get("reports", {}))

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """The job's variables, expanded; those ``given`` (predefined, the project's) win over the file's."""
        found = {**{name: str(value) for name, value in self.says.get("variables", {}).items()}, **given}
        return {name: expanded(value, found) for name, value in found.items()}


def may_start(path: Path, name: str, states: Mapping[str, str]) -> bool:
    """Whether GitLab starts a job, or offers it to be started by hand, once others have come to ``states``.

    Source: ``valid_statuses_for_processable`` of GitLab's app/services/ci/pipeline_processing.
    """
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    all_jobs = jobs(path)
    says = all_jobs[name].says
    needs, earlier = says.get("needs"), stages[: stages.index(says["stage"])]
    awaited = [other for other in states if all_jobs[other].says["stage"] in earlier] if needs is None else needs
    when = next((rule["when"] for rule in says.get("rules", ()) if "when" in rule), "on_success")
    fine = {"always": {"success", "failed", "skipped"}, "on_failure": {"failed"}}.get(when, {"success"})
    fine = fine | {"skipped"} if needs is None and when != "on_failure" else fine
    return all(states[other] in fine for other in awaited)


def expanded(text: str, values: Mapping[str, str]) -> str:
    """``$NAME`` and ``${NAME}`` replaced, in what replaces them too; an unknown one is empty."""
    for _ in range(5):
        text = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], ""), text)
    return text


def jobs(path: Path) -> dict[str, Job]:
    """The jobs that run, by name."""
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = [name for name in said if name not in _WORDS and not name.startswith(".")]
    return {name: Job(name, {**said.get("default", {}), **_whole(said, name)}) for name in names}


def _whole(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    own = dict(said[name])
    base = own.pop("extends", None)
    return _merged(_whole(said, base), own) if base else own


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key, all else is replaced."""
    both = {name: _merged(base[name], own[name]) for name in own if _is_map(base.get(name)) and _is_map(own[name])}
    return {**base, **own, **both}


def _is_map(value: object) -> bool:
    return isinstance(value, dict)
