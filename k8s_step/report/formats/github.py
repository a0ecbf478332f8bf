"""GitHub Actions: annotations at the manifest's line, groups in the log, masks, outputs and the step's summary."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from k8s_step.errors import ExitCode, StepError
from k8s_step.objects.reference import is_file
from k8s_step.report.fleet.result import ClustersResult, clusters_rooted
from k8s_step.report.formats.folded import Folded
from k8s_step.report.formats.plain import Plain
from k8s_step.report.layout.text import one_line, printable, without_commands
from k8s_step.report.output import Output
from k8s_step.report.results.problem import is_read, place_of
from k8s_step.report.results.result import Outcome, Result, relative, rooted
from k8s_step.report.summary import LIMIT, links_into, to_clusters_markdown, to_markdown
from k8s_step.report.wording import summary
from k8s_step.surroundings import Surroundings

if TYPE_CHECKING:
    from k8s_step.verdict.evidence.finding import Finding

_LONGEST = 4000  # characters of an annotation; the runner cuts at 4096
_TITLE = 200
_LAST = 3  # lines of a log in an annotation
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def command(name: str, message: str = "", **properties: str) -> str:
    """A workflow command: ``::error file=k8s/web.yaml,line=12::message``; empty properties are left out."""
    pairs = [f"{key}={_escaped(value, _PROPERTY)}" for key, value in properties.items() if value]
    return f"::{name}{' ' if pairs else ''}{','.join(pairs)}::{_escaped(message, _DATA)}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}" if text else ""


def tamed(write: Callable[[str], None]) -> Callable[[str], None]:
    """``write``, with text defused that GitHub's runner would obey as a command."""
    return lambda text: write(without_commands(text))


class Harmless(Plain):
    """The plain log with text defused that GitHub's runner would obey; ``content`` is left to ``data``."""

    def __init__(self, log: Callable[[str], None], data: Callable[[str], None], cluster: str = "") -> None:
        super().__init__(tamed(log), tamed(data), cluster=cluster)
        self._content = data

    def content(self, text: str) -> None:
        self._content(text)


class GitHub(Folded):
    """The log with annotations and groups. Text from elsewhere is defused: it never becomes a runner's command."""

    def __init__(
        self,
        log: Callable[[str], None],
        data: Callable[[str], None],
        surroundings: Surroundings,
        clock: Callable[[], float] = time.monotonic,
        is_there: Callable[[str], bool] = is_read,
        cluster: str = "",
    ) -> None:
        super().__init__(tamed(log), tamed(data), clock=clock, cluster=cluster)
        self._is_there = is_there
        self._write = log
        self._content = self.data if surroundings.is_action else data
        self._root = surroundings.workspace
        self._has_told = False

    def begin(self, section: str, title: str) -> None:
        self._write(command("group", title))

    def end(self) -> None:
        self._write(command("endgroup"))

    def content(self, text: str) -> None:
        """Write ``text`` unchanged in a ``run:`` step, whose stdout may go to a file; in the action, defuse it."""
        self._leave()
        self._content(text)

    def warning(self, message: str, where: str) -> None:
        text = f"{where}: {message}" if where else message
        self._annotate("warning", text, where)

    def error(self, error: StepError) -> None:
        self._leave()
        self._annotate("error", str(error), error.where or "")

    def show_headline(self, finding: Finding, headline: str) -> None:
        pod = f"pod {finding.pod}, container {finding.container}" if finding.container else f"pod {finding.pod}"
        facts = [pod if finding.pod else "", _labelled("likely", finding.advice), _labelled("check", finding.check)]
        lines = [headline, finding.message, *facts, *(f"| {line}" for line in finding.logs[-_LAST:])]
        reference = finding.reference
        where = f"{reference.where}: {reference.title}" if reference.where else reference.title
        self._annotate("error", "\n".join(line for line in lines if line), where, finding.reason)

    def show_verdict(self, result: Result) -> None:
        if result.exit_code is ExitCode.SUCCEEDED or self._has_told:
            super().show_verdict(result)
        else:
            self._annotate("error", f"{result.verdict}: {summary(result)}", "")

    def _annotate(self, name: str, text: str, where: str, reason: str = "") -> None:
        self._has_told = self._has_told or name == "error"
        place = place_of(where)
        if place and is_file(place.file) and not self._is_there(place.file):
            place = None
        is_line = place is not None and is_file(place.file)
        file, line = (relative(place.file, self._root), str(place.line)) if place and is_line else ("", "")
        about = (place.about if place else where) or ("" if self.cluster else "k8s-step")
        title = one_line(": ".join(part for part in (self.cluster, about, reason) if part), _TITLE)
        lead = f"[{self.cluster}] " if self.cluster else ""
        self._write(command(name, f"{lead}{printable(text)}"[:_LONGEST], file=file, line=line, title=title))


class StepFiles(Output):
    """The files that the runner reads when the step is done: ``GITHUB_OUTPUT`` and ``GITHUB_STEP_SUMMARY``."""

    def __init__(self, surroundings: Surroundings, report: str | None, complain: Callable[[str], None]) -> None:
        self._surroundings = surroundings
        self._link = links_into(surroundings.source_url)
        self._report = report
        self._complain = complain

    def begun(self, unfinished: Result) -> None:
        """Replace the outputs of an earlier command of the same step, which may say that it succeeded."""
        self._tell(unfinished)

    def finished(self, result: Result) -> None:
        told = rooted(result, self._surroundings.workspace)
        self._tell(told)
        self._summarize(lambda size: to_markdown(told, self._link, LIMIT - size))

    def all_begun(self, unfinished: ClustersResult) -> None:
        """:meth:`begun` for a run on several clusters."""
        self._tell(unfinished)

    def all_finished(self, result: ClustersResult) -> None:
        """:meth:`finished` for a run on several clusters."""
        told = clusters_rooted(result, self._surroundings.workspace)
        self._tell(told)
        self._summarize(lambda size: to_clusters_markdown(told, self._link, LIMIT - size))

    def _summarize(self, text: Callable[[int], str]) -> None:
        self._append("GITHUB_STEP_SUMMARY", self._surroundings.summary_file, text)

    def _tell(self, result: Outcome) -> None:
        """Write the outputs. Later steps run outside of this container, so paths are relative to the workspace."""
        report = relative(self._report or "", self._surroundings.workspace)
        self._append("GITHUB_OUTPUT", self._surroundings.output_file, lambda _: outputs(result, report))

    def _append(self, variable: str, name: str, text: Callable[[int], str]) -> None:
        """Append ``text(size)``; ``size`` is the file's length in bytes, since a step's commands share the file."""
        if not name:
            return
        try:
            with Path(name).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text(file.tell()))
        except OSError as error:
            self._complain(f"{variable} can't be written: {error.strerror}")


def outputs(result: Outcome, report: str) -> str:
    """``result``, ``changed``, ``failed``, ``url`` and ``report`` for ``GITHUB_OUTPUT``, with random delimiters."""
    values = {
        "result": result.word,
        "changed": "\n".join(map(str, result.changed)),
        "failed": "\n".join(map(str, result.failed)),
        "url": result.url,
        "report": report,
    }
    end = f"end-{secrets.token_hex(16)}"
    return "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in values.items())
