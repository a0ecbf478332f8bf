"""Chooses the outputs of a run: the user's ``--log-format``, or the format that suits the CI system.

Only the chosen formats are imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from k8s_step.redaction import Redactor
from k8s_step.report.output import Output
from k8s_step.report.results.result import Result
from k8s_step.report.sink import MaskedStream
from k8s_step.report.wording import Style, colour, no_style
from k8s_step.surroundings import Surroundings, System

if TYPE_CHECKING:
    from k8s_step.report.formats.shared import SharedLog


def outputs(
    log_format: str, surroundings: Surroundings, redactor: Redactor, report: str | None, data: MaskedStream
) -> list[Output]:
    """The log output and, on GitHub, the output of its runner's files; ``report`` is the path of the result file.

    In an action the runner reads stdout too, so ``data`` is defused whatever the format; a ``run:`` step may send it to
    a file.
    """
    log = MaskedStream(sys.stderr, redactor)
    chosen = _chosen(log_format, surroundings, redactor, log)
    if surroundings.system is not System.GITHUB:
        return [_LOGS[chosen](log, data.line, surroundings, "")]
    from k8s_step.report.formats import github

    write = github.tamed(data.line) if surroundings.is_action else data.line
    return [_LOGS[chosen](log, write, surroundings, ""), github.StepFiles(surroundings, report, log.line)]


def shared_log(
    log_format: str, surroundings: Surroundings, redactor: Redactor, report: str | None, data: MaskedStream
) -> SharedLog:
    """The log that the clusters of one run share; ``report`` is the path of the result file."""
    from k8s_step.report.formats import github
    from k8s_step.report.formats.shared import SharedLog

    log = MaskedStream(sys.stderr, redactor)
    chosen = _chosen(log_format, surroundings, redactor, log)
    files = github.StepFiles(surroundings, report, log.line) if surroundings.system is System.GITHUB else None
    style = colour if chosen == "live" or (chosen == "gitlab" and not surroundings.no_colour) else no_style

    def output(cluster: str, write: Callable[[str], None]) -> Output:
        return _LOGS["coloured" if chosen == "live" else chosen](log, write, surroundings, cluster)

    is_github = surroundings.system is System.GITHUB
    write_log = github.tamed(log.line) if is_github else log.line
    write_data = github.tamed(data.line) if surroundings.is_action else data.line
    return SharedLog(output, write_log, write_data, style, files, as_json=chosen == "json")


def _chosen(log_format: str, surroundings: Surroundings, redactor: Redactor, log: MaskedStream) -> str:
    chosen = _automatic(surroundings) if log_format == "auto" else log_format
    if chosen == "github" and surroundings.is_action:
        from k8s_step.report.formats import github

        redactor.listen(lambda line: log.unmasked_line(github.command("add-mask", line)))
    return chosen


def refuse(result: Result, surroundings: Surroundings, redactor: Redactor, report: str | None) -> None:
    """Report an error that ended the run before its outputs were made."""
    log = MaskedStream(sys.stderr, redactor)
    if surroundings.system is System.GITHUB:
        from k8s_step.report.formats import github

        log.line(github.command("error", result.message, title="k8s-step"))
        github.StepFiles(surroundings, report, log.line).finished(result)
    else:
        log.line(f"error: {result.message}")


def _automatic(surroundings: Surroundings) -> str:
    if surroundings.system is not System.OTHER:
        return surroundings.system.value
    return "live" if sys.stderr.isatty() and surroundings.has_colours and not surroundings.is_ci else "plain"


_Write = Callable[[str], None]


def _plain(log: MaskedStream, data: _Write, surroundings: Surroundings, cluster: str) -> Output:
    if surroundings.system is System.GITHUB:
        from k8s_step.report.formats import github

        return github.Harmless(log.line, data, cluster)
    from k8s_step.report.formats.plain import Plain

    return Plain(log.line, data, data_style=_style_of_data(surroundings), cluster=cluster)


def _live(log: MaskedStream, data: _Write, surroundings: Surroundings, _: str) -> Output:
    from k8s_step.report.formats.live import Live

    return Live(log, data, data_style=_style_of_data(surroundings))


def _coloured(log: MaskedStream, data: _Write, surroundings: Surroundings, cluster: str) -> Output:
    """The live log's colours without its block at the foot, which belongs to one cluster."""
    from k8s_step.report.formats.plain import Plain

    return Plain(log.line, data, colour, data_style=_style_of_data(surroundings), cluster=cluster)


def _github(log: MaskedStream, data: _Write, surroundings: Surroundings, cluster: str) -> Output:
    from k8s_step.report.formats import github

    return github.GitHub(log.line, data, surroundings, cluster=cluster)


def _gitlab(log: MaskedStream, data: _Write, surroundings: Surroundings, cluster: str) -> Output:
    from k8s_step.report.formats.gitlab import GitLab

    style = no_style if surroundings.no_colour else colour
    if surroundings.system is System.GITHUB:
        from k8s_step.report.formats import github

        return GitLab(github.tamed(log.line), data, style, cluster=cluster)
    return GitLab(log.line, data, style, cluster=cluster)


def _json(log: MaskedStream, data: _Write, surroundings: Surroundings, cluster: str) -> Output:
    """JSON lines; on GitHub the second ``#`` of ``##[``, which begins a runner's command, becomes a Unicode escape."""
    from k8s_step.report.formats.jsonlines import JsonLines

    if surroundings.system is System.GITHUB:
        return JsonLines(lambda line: log.line(line.replace("##[", "#\\u0023[")), data, cluster)
    return JsonLines(log.line, data, cluster)


def _style_of_data(surroundings: Surroundings) -> Style:
    """Colours for stdout only where stdout is a terminal, not a pipe or a file."""
    return colour if sys.stdout.isatty() and surroundings.has_colours else no_style


_LOGS: Mapping[str, Callable[[MaskedStream, _Write, Surroundings, str], Output]] = {
    "plain": _plain,
    "live": _live,
    "coloured": _coloured,
    "github": _github,
    "gitlab": _gitlab,
    "json": _json,
}
