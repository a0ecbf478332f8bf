"""The place where this process runs: the CI system that reads its output, the checkout, and colours.

The environment is read once, at the start, and the result is passed to every log and result file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from k8s_step.errors import MissingFileError, StepError


class System(StrEnum):
    """The CI system that reads the step's output. Jenkins is ``OTHER``, since it needs no format of its own."""

    GITHUB = "github"
    GITLAB = "gitlab"
    OTHER = ""


# The folder of the checkout, as GitHub, GitLab and Jenkins name it.
_ACTION_WORKSPACE = "/github/workspace"
_WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE")


class Surroundings(NamedTuple):
    """Facts from the environment about the place where the step runs.

    ``is_action``: this process is a GitHub action, so that the runner obeys commands in its log; a ``run:`` step may
    send its log to a file instead. ``workspace``: the folder of the checkout, empty where no variable names one.
    ``source``: the commit and the run of the CI system, such as ``commit 4f2a9c1 by https://ci.example/run/42``; empty
    where neither is known. ``source_url``: the URL of the checkout's files in the repository, without a file's name.
    ``output_file``, ``summary_file``: paths of the files that a GitHub runner reads. ``has_colours``: ``TERM`` allows
    colours and ``NO_COLOR`` (``no_colour``) does not forbid them.
    """

    system: System = System.OTHER
    is_action: bool = False
    is_ci: bool = False
    workspace: str = ""
    source: str = ""
    source_url: str = ""
    output_file: str = ""
    summary_file: str = ""
    has_colours: bool = False
    no_colour: bool = False

    def explained(self, error: StepError) -> StepError:
        """``error``, with a hint if it misses a file that a container action cannot see."""
        if isinstance(error, MissingFileError):
            error.hint = self._why_out_of_sight(error.path) or error.hint
        return error

    def _why_out_of_sight(self, path: str) -> str:
        """The hint that the file may exist on the runner, outside the container; empty where the container sees it.
        Source: ContainerActionHandler.cs of actions/runner, which mounts the workspace and files of its own.
        """
        is_within = not path.startswith(("/", "~")) or path.startswith(f"{_ACTION_WORKSPACE}/")
        if not self.is_action or self.workspace != _ACTION_WORKSPACE or is_within:
            return ""
        return (
            f"a container action sees the workspace alone, as {_ACTION_WORKSPACE}, and no other folder of the runner: "
            "write the file there, or give its content, which the inputs kubeconfig, ca and token take"
        )

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Surroundings:
        """The surroundings that ``environ`` describes."""
        system = _system(environ)
        no_colour = bool(environ.get("NO_COLOR"))
        return cls(
            system,
            is_action=system is System.GITHUB and any(name.startswith("INPUT_") for name in environ),
            is_ci=bool(environ.get("CI")),
            workspace=next((environ[name] for name in _WORKSPACES if environ.get(name)), ""),
            source=_source(environ),
            source_url=_source_url(environ),
            output_file=environ.get("GITHUB_OUTPUT", ""),
            summary_file=environ.get("GITHUB_STEP_SUMMARY", ""),
            has_colours=environ.get("TERM", "dumb") != "dumb" and not no_colour,
            no_colour=no_colour,
        )


def _system(environ: Mapping[str, str]) -> System:
    if environ.get("GITHUB_ACTIONS") == "true":
        return System.GITHUB
    return System.GITLAB if environ.get("GITLAB_CI") else System.OTHER


def _source_url(environ: Mapping[str, str]) -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
    server, repository, commit = (environ.get(name, "") for name in names)
    return f"{server}/{repository}/blob/{commit}" if server and repository and commit else ""


def _source(environ: Mapping[str, str]) -> str:
    """The commit and the run as one text; a URL that may hold a password is left out."""
    commit = next((environ[name] for name in _COMMITS if _COMMIT.fullmatch(environ.get(name, ""))), "")
    run = next((url for url in _runs(environ) if _PLAIN_URL.fullmatch(url)), "")
    return " by ".join(part for part in (f"commit {commit}" if commit else "", run) if part)


_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_PLAIN_URL = re.compile(r"https?://[^\s/@]+/[^\s@?#]*")


def _runs(environ: Mapping[str, str]) -> Iterator[str]:
    """The addresses of this run, as GitHub, GitLab and Jenkins name them."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, number = (environ.get(name, "") for name in names)
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "")
    if server and repository and number:
        yield f"{server}/{repository}/actions/runs/{number}{f'/attempts/{attempt}' if attempt else ''}"
    yield from (environ.get(name, "") for name in ("CI_JOB_URL", "CI_PIPELINE_URL", "BUILD_URL"))
