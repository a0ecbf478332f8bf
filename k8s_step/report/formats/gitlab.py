"""GitLab CI: the log in collapsible sections, and the outcome as a dotenv report for later jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from k8s_step.report.formats.folded import SENDING, Folded
from k8s_step.report.results.result import Outcome
from k8s_step.report.wording import Style, colour

_LIST = 1500  # characters; GitLab refuses a dotenv report of 5 KiB


class GitLab(Folded):
    """The log with GitLab's section markers and colours; the section "Sending" is collapsed, all others are open.

    Source: lib/gitlab/regex.rb, ``logs_section_prefix_regex`` and ``logs_section_suffix_regex``. A marker holds a
    carriage return, so every other line's carriage returns become spaces.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        data: Callable[[str], None],
        style: Style = colour,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        cluster: str = "",
    ) -> None:
        super().__init__(lambda text: log(text.replace("\r", " ")), data, style, clock, cluster=cluster)
        self._write = log
        self._now = now
        self._count = 0
        self._name = ""
        self._warnings: list[tuple[str, str]] = []

    def begin(self, section: str, title: str) -> None:
        self._count += 1
        self._name = f"k8s_step_{section}_{self._count}"
        options = "[collapsed=true]" if section == SENDING else ""
        self._write(f"{self._marker('start')}{options}\r\x1b[0K{self.style(title, 'dim')}")

    def end(self) -> None:
        self._write(f"{self._marker('end')}\r\x1b[0K")
        for message, where in self._warnings:
            super().warning(message, where)
        self._warnings = []

    def warning(self, message: str, where: str) -> None:
        """Hold a warning back until the collapsed section "Sending" ends, so that it is visible below."""
        if self._section == SENDING:
            self._warnings.append((message, where))
        else:
            super().warning(message, where)

    def _marker(self, which: str) -> str:
        return f"\x1b[0Ksection_{which}:{int(self._now())}:{self._name}"


def to_dotenv(result: Outcome, report: str | None) -> str:
    """``K8S_STEP_RESULT`` and the other variables, one a line, without the quotes and line breaks that GitLab refuses.

    Source: doc/ci/yaml/artifacts_reports.md of GitLab, ``artifacts:reports:dotenv``.
    """
    return "".join(f"{name}={' '.join(value.split())}\n" for name, value in _variables(result, report).items())


def _variables(result: Outcome, report: str | None) -> Mapping[str, str]:
    return {
        "K8S_STEP_RESULT": result.word,
        "K8S_STEP_EXIT_CODE": str(int(result.exit_code)) if result.is_finished else "",
        "K8S_STEP_CHANGED": _listed(map(str, result.changed)),
        "K8S_STEP_FAILED": _listed(map(str, result.failed)),
        "K8S_STEP_URL": result.url,
        "K8S_STEP_REPORT": report or "",
    }


def _listed(names: Iterable[str]) -> str:
    """The names joined by commas, up to about ``_LIST`` characters; ``…`` stands for names that did not fit."""
    kept = ""
    for name in names:
        if len(kept) + len(name) >= _LIST:
            return f"{kept},…".lstrip(",")
        kept = f"{kept},{name}".lstrip(",")
    return kept
