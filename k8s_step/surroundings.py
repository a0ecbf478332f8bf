"""Where this process runs: which CI system reads its output, where the checkout is, which streams are screens.

The environment is asked for these once, at the start; every log and result file is handed the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from k8s_step.errors import MissingFileError, StepError


class System(StrEnum):
    """The CI system that reads what the step writes. Jenkins reads nothing that other systems would not."""

    GITHUB = "github"
    GITLAB = "gitlab"
    OTHER = ""


# The folder of the checkout, as GitHub, GitLab and Jenkins name it.
_ACTION_WORKSPACE = "/github/workspace"
_WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE")


@dataclass(frozen=True)
class Surroundings:
    """What the environment tells of the place where the step runs.

    ``is_action``: a GitHub runner started this very process, so that it obeys commands in its log; a ``run:`` step may
    send its log to a file. ``workspace``: the folder of the checkout, empty where no system names one. ``source_url``:
    the checkout's files as the repository shows them, without the file's name. ``output_file`` and ``summary_file``:
    the files that a GitHub runner reads. ``has_colours``: a terminal shows colours, and the user did not forbid them.
    """

    system: System = System.OTHER
    is_action: bool = False
    is_ci: bool = False
    workspace: str = ""
    source_url: str = ""
    output_file: str = ""
    summary_file: str = ""
    has_colours: bool = False
    no_colour: bool = False

    def explained(self, error: StepError) -> StepError:
        """``error``; where it misses a file that is out of sight here, with that as its hint."""
        if isinstance(error, MissingFileError):
            error.hint = self._why_out_of_sight(error.path) or error.hint
        return error

    def _why_out_of_sight(self, path: str) -> str:
        """Why a file that the step does not find may be on the runner all the same; empty where nothing hides it.

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
        """Read them from the environment."""
        system = _system(environ)
        no_colour = bool(environ.get("NO_COLOR"))
        return cls(
            system,
            is_action=system is System.GITHUB and any(name.startswith("INPUT_") for name in environ),
            is_ci=bool(environ.get("CI")),
            workspace=next((environ[name] for name in _WORKSPACES if environ.get(name)), ""),
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
