"""Chooses the outputs of a run: the user's ``--log-format``, or the format that suits the CI system."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from k8s_step.redaction import Redactor
from k8s_step.report.formats import github
from k8s_step.report.formats.gitlab import GitLab
from k8s_step.report.formats.jsonlines import JsonLines
from k8s_step.report.formats.live import Live, colour
from k8s_step.report.formats.plain import Plain
from k8s_step.report.output import Output
from k8s_step.report.result import Result
from k8s_step.report.sink import MaskedStream
from k8s_step.report.wording import Style, no_style
from k8s_step.surroundings import Surroundings, System


def outputs(
    log_format: str, surroundings: Surroundings, redactor: Redactor, report: str | None, data: MaskedStream
) -> list[Output]:
    """The log output and, on GitHub, the output of its runner's files; ``report`` is the path of the result file."""
    log = MaskedStream(sys.stderr, redactor)
    chosen = _automatic(surroundings) if log_format == "auto" else log_format
    if surroundings.system is not System.GITHUB:
        return [_LOGS[chosen](log, data, surroundings)]
    if chosen == "github" and surroundings.is_action:
        redactor.listen(lambda line: log.unmasked_line(github.command("add-mask", line)))
    return [_LOGS[chosen](log, data, surroundings), github.StepFiles(surroundings, report, log.line)]


def refuse(result: Result, surroundings: Surroundings, redactor: Redactor, report: str | None) -> None:
    """Report an error that ended the run before its outputs were made."""
    log = MaskedStream(sys.stderr, redactor)
    if surroundings.system is System.GITHUB:
        log.line(github.command("error", result.message, title="k8s-step"))
        github.StepFiles(surroundings, report, log.line).finished(result)
    else:
        log.line(f"error: {result.message}")


def _automatic(surroundings: Surroundings) -> str:
    if surroundings.system is not System.OTHER:
        return surroundings.system.value
    return "live" if sys.stderr.isatty() and surroundings.has_colours and not surroundings.is_ci else "plain"


def _plain(log: MaskedStream, data: MaskedStream, surroundings: Surroundings) -> Output:
    if surroundings.system is System.GITHUB:
        return github.Harmless(log.line, data.line)
    return Plain(log.line, data.line, data_style=_style_of_data(surroundings))


def _live(log: MaskedStream, data: MaskedStream, surroundings: Surroundings) -> Output:
    return Live(log, data.line, data_style=_style_of_data(surroundings))


def _github(log: MaskedStream, data: MaskedStream, surroundings: Surroundings) -> Output:
    return github.GitHub(log.line, data.line, surroundings)


def _gitlab(log: MaskedStream, data: MaskedStream, surroundings: Surroundings) -> Output:
    return GitLab(log.line, data.line, no_style if surroundings.no_colour else colour)


def _json(log: MaskedStream, data: MaskedStream, surroundings: Surroundings) -> Output:
    """JSON lines; on GitHub the second ``#`` of ``##[``, which begins a runner's command, becomes a Unicode escape."""
    if surroundings.system is System.GITHUB:
        return JsonLines(lambda line: log.line(line.replace("##[", "#\\u0023[")), data.line)
    return JsonLines(log.line, data.line)


def _style_of_data(surroundings: Surroundings) -> Style:
    """Colours for stdout only where stdout is a terminal, not a pipe or a file."""
    return colour if sys.stdout.isatty() and surroundings.has_colours else no_style


_LOGS: Mapping[str, Callable[[MaskedStream, MaskedStream, Surroundings], Output]] = {
    "plain": _plain,
    "live": _live,
    "github": _github,
    "gitlab": _gitlab,
    "json": _json,
}
