"""Which outputs a run has: what the user asked for, or what the CI system it runs in reads best."""

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


def outputs(
    log_format: str, environ: Mapping[str, str], redactor: Redactor, report: str | None, data: MaskedStream
) -> list[Output]:
    """The log, and on GitHub the files that its runner reads; ``report`` is where the result file goes."""
    log = MaskedStream(sys.stderr, redactor)
    chosen = _automatic(environ) if log_format == "auto" else log_format
    if not github.is_github(environ):
        return [_LOGS[chosen](log, data, environ)]
    if chosen == "github" and github.is_action(environ):
        redactor.listen(lambda line: log.unmasked_line(github.command("add-mask", line)))
    return [_LOGS[chosen](log, data, environ), github.StepFiles(environ, report, log.line)]


def refuse(result: Result, environ: Mapping[str, str], redactor: Redactor, report: str | None) -> None:
    """Tell an error that ended the run before it had any output."""
    log = MaskedStream(sys.stderr, redactor)
    if github.is_github(environ):
        log.line(github.command("error", result.message, title="k8s-step"))
        github.StepFiles(environ, report, log.line).finished(result)
    else:
        log.line(f"error: {result.message}")


def _automatic(environ: Mapping[str, str]) -> str:
    if github.is_github(environ):
        return "github"
    if environ.get("GITLAB_CI"):
        return "gitlab"
    return "live" if _is_screen(sys.stderr.isatty(), environ) and not environ.get("CI") else "plain"


def _is_screen(is_terminal: bool, environ: Mapping[str, str]) -> bool:
    return is_terminal and environ.get("TERM", "dumb") != "dumb" and not environ.get("NO_COLOR")


def _plain(log: MaskedStream, data: MaskedStream, environ: Mapping[str, str]) -> Output:
    if github.is_github(environ):
        return github.Harmless(log.line, data.line)
    return Plain(log.line, data.line, data_style=_style_of_data(environ))


def _live(log: MaskedStream, data: MaskedStream, environ: Mapping[str, str]) -> Output:
    return Live(log, data.line, data_style=_style_of_data(environ))


def _github(log: MaskedStream, data: MaskedStream, environ: Mapping[str, str]) -> Output:
    return github.GitHub(log.line, data.line, environ)


def _gitlab(log: MaskedStream, data: MaskedStream, environ: Mapping[str, str]) -> Output:
    return GitLab(log.line, data.line, no_style if environ.get("NO_COLOR") else colour)


def _json(log: MaskedStream, data: MaskedStream, environ: Mapping[str, str]) -> Output:
    """``##[`` can only stand in a string, where JSON lets it be written otherwise."""
    if github.is_github(environ):
        return JsonLines(lambda line: log.line(line.replace("##[", "#\\u0023[")), data.line)
    return JsonLines(log.line, data.line)


def _style_of_data(environ: Mapping[str, str]) -> Style:
    """Colours where stdout itself is a screen: what is piped elsewhere is not for eyes."""
    return colour if _is_screen(sys.stdout.isatty(), environ) else no_style


_LOGS: Mapping[str, Callable[[MaskedStream, MaskedStream, Mapping[str, str]], Output]] = {
    "plain": _plain,
    "live": _live,
    "github": _github,
    "gitlab": _gitlab,
    "json": _json,
}
