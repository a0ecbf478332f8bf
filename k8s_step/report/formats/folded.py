"""The plain log in sections that a CI system can fold: sending, following, and the evidence of each cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8s_step.errors import StepError
from k8s_step.objects.reference import Reference
from k8s_step.report.formats.plain import Plain
from k8s_step.report.results.result import QUIET, Result

if TYPE_CHECKING:
    from k8s_step.verdict.evidence.finding import Finding

SENDING, FOLLOWING, EVIDENCE, BACK = "sending", "following", "evidence", "rollback"


class Folded(Plain):
    """Errors and verdicts stand outside of sections, so that nobody needs to unfold one to see them.

    The table goes to the log (stderr): a CI system reads stdout separately and could put the table at any place.
    Where several clusters share the log, only evidence is a section: any other would hold lines of other clusters.
    """

    _section = ""
    _is_back = False

    def begin(self, section: str, title: str) -> None:
        """Open a section."""
        raise NotImplementedError

    def end(self) -> None:
        """Close the section that was opened last."""
        raise NotImplementedError

    def acted(self, reference: Reference, action: str) -> None:
        if action not in QUIET:
            self._enter(SENDING, "Sending")
        super().acted(reference, action)

    def tried(self, reference: Reference, action: str) -> None:
        if action not in QUIET:
            self._enter(SENDING, "Trying out")
        super().tried(reference, action)

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        self._leave()
        super().rolling_back(result, objects, timeout)
        self._enter(BACK, "Rolling back")
        self._is_back = True

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        self._enter(BACK, "Rolling back")
        super().rolled_back(reference, outcome, message)

    def wave(self, number: int, count: int, objects: int) -> None:
        self._leave()
        super().wave(number, count, objects)

    def following(self, objects: int, timeout: float) -> None:
        if not self._is_back:
            self._enter(FOLLOWING, "Following")
        super().following(objects, timeout)

    def content(self, text: str) -> None:
        self._leave()  # content, such as a Job's log, must be visible without unfolding
        super().content(text)

    def error(self, error: StepError) -> None:
        self._leave()
        super().error(error)

    def finished(self, result: Result) -> None:
        self._leave()
        super().finished(result)

    def show_table(self, text: str) -> None:
        self.log(text)

    def show_finding(self, finding: Finding, lead: str) -> None:
        headline, _, rest = self.finding_text(finding, lead).partition("\n")
        self.show_headline(finding, headline)
        self._enter(EVIDENCE, f"Evidence: {finding.reference.title}")
        self.log(rest)
        self._leave()

    def show_headline(self, finding: Finding, headline: str) -> None:
        """Write the finding's first line: the object that failed, and the reason."""
        self.log(headline)

    def close(self) -> None:
        self._leave()

    def _enter(self, section: str, title: str) -> None:
        if self.cluster and section != EVIDENCE:
            return
        if self._section != section:
            self._leave()
            self._section = section
            self.begin(section, f"[{self.cluster}] {title}" if self.cluster else title)

    def _leave(self) -> None:
        if self._section:
            self._section = ""
            self.end()
