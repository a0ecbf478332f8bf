"""A job of a workflow, run as GitHub's runner runs it, as far as its steps are the action or scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import runner
from tests.artifacts.shells import clean
from tests.conftest import Outcome, Step


class Job:
    """A job on GitHub's runner: its steps share files and outputs, and stop at the first that fails."""

    def __init__(self, step: Step, workspace: Path, context: Mapping[str, str]) -> None:
        self.step = step
        self.workspace = workspace
        self.context = dict(context)
        self.ran: list[Outcome] = []

    def run(self, workflow: str, name: str, *, skip: Sequence[str] = (), env: Mapping[str, str] | None = None) -> None:
        """Run the steps that are the action or a script; ``skip`` names the others."""
        variables, steps = runner.job(workflow, name)
        for says in steps:
            common = {key: runner.expanded(value, self.context) for key, value in variables.items()} | dict(env or {})
            if says.get("uses") in ("./", "OWNER/k8s-step@v0.1.0"):
                self._act(says, common)
            elif says.get("name") not in skip and "run" in says:
                self._script(says, common)

    def _act(self, says: Mapping[str, Any], common: Mapping[str, str]) -> None:
        files = self.workspace.parent / f"runner-{len(self.ran)}"
        files.mkdir()
        given = {name.replace("-", "_"): runner.expanded(value, self.context) for name, value in says["with"].items()}
        environ = {"KUBECONFIG": None, **runner.environment(self.workspace, files), **common, **runner.inputs(**given)}
        outcome = self.step(env=environ, cwd=self.workspace)
        self.ran.append(outcome)
        assert outcome.code == 0 or says.get("continue-on-error"), outcome.text
        self.context[f"steps.{says.get('id', '')}.outcome"] = "failure" if outcome.code else "success"
        self._keep(says, files / "set_output")

    def _script(self, says: Mapping[str, Any], common: Mapping[str, str]) -> None:
        own = {key: runner.expanded(value, self.context) for key, value in says.get("env", {}).items()}
        output = self.workspace.parent / "script_output"
        output.write_text("")
        answer = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", says["run"]],
            env={**clean(), **common, **own, "GITHUB_OUTPUT": str(output)},
            cwd=self.workspace,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, f"{says['run']}\n{own}\n{answer.stdout}{answer.stderr}"
        self._keep(says, output)

    def _keep(self, says: Mapping[str, Any], output: Path) -> None:
        for name, value in runner.written(output.read_text()).items():
            self.context[f"steps.{says.get('id', '')}.outputs.{name}"] = value
