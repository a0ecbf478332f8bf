"""Where files lie in the checkout: CI systems link to them only by the path in the repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from k8s_step.reference import Reference
from k8s_step.report.problem import Problem
from k8s_step.report.result import Result

_VARIABLES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE")  # GitHub, GitLab, Jenkins


def root_of(environ: Mapping[str, str]) -> str:
    """The folder of the checkout; empty where no CI system tells it."""
    return next((environ[name] for name in _VARIABLES if environ.get(name)), "")


def relative(file: str, root: str) -> str:
    """``file`` as seen from ``root``; as it is where it lies elsewhere or is none."""
    if not root or not file:
        return file
    try:
        return Path(file).resolve().relative_to(Path(root).resolve()).as_posix()
    except (OSError, ValueError):
        return file


def rooted(result: Result, root: str) -> Result:
    """``result`` with every file as seen from ``root``."""

    def moved(reference: Reference) -> Reference:
        return replace(reference, file=relative(reference.file, root))

    def mended(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        return tuple(problem.at(relative(problem.file, root)) for problem in problems)

    objects = tuple(
        replace(entry, reference=moved(entry.reference), errors=mended(entry.errors)) for entry in result.objects
    )
    findings = tuple(replace(finding, reference=moved(finding.reference)) for finding in result.findings)
    return replace(result, objects=objects, findings=findings, problems=mended(result.problems))
