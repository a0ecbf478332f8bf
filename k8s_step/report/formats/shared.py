"""The log that several clusters of one run share: each line names its cluster, each cluster's data is one block."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from k8s_step import __version__
from k8s_step.errors import ExitCode, StepError
from k8s_step.report.content import Content
from k8s_step.report.difference import Difference
from k8s_step.report.fleet.result import ClusterResult, ClustersResult, summary, to_clusters_json
from k8s_step.report.formats.github import StepFiles
from k8s_step.report.layout.text import one_line, without_commands
from k8s_step.report.output import Output
from k8s_step.report.results.result import Result
from k8s_step.report.wording import Style, many

_Write = Callable[[str], None]
_MESSAGE = 100  # characters of a message in the table of clusters


class Channel(Output):
    """One cluster's output. An event is written whole, before any event of another cluster.

    What is meant for stdout is held back and written as one block, before the cluster's next step or at its end.
    """

    def __init__(self, output: Callable[[_Write], Output], data: _Write, lock: threading.RLock) -> None:
        self._held: list[str] = []
        self._output = output(self._held.append)
        self._output.content_follows()  # the table of objects belongs to the log: stdout has one table of all clusters
        self._data, self._lock = data, lock
        self._is_closed = False
        self._ticked = time.monotonic()
        self.contents: list[Content] = []
        self.has_content = False

    @property
    def tick_every(self) -> float:  # type: ignore[override]
        """As the cluster's own output wants it."""
        return self._output.tick_every

    def content_follows(self) -> None:
        self.has_content = True

    def delivered(self, content: Content) -> None:
        """Keep the content: that of all clusters is printed as one."""
        self.contents.append(content)

    def differs(self, found: Difference) -> None:
        self._pass("differs", found)

    def content(self, text: str) -> None:
        self._pass("content", text)

    def finished(self, result: Result) -> None:
        self._pass("finished", result)

    def close(self) -> None:
        """Take no more events, also of a thread that was given up."""
        with self._lock:
            self._pass("close")
            self._is_closed = True

    def _pass(self, event: str, *values: Any) -> None:
        with self._lock:
            if self._is_closed:
                return
            if event in _STEPS:
                self._release()
            getattr(self._output, event)(*values)
            if event == "close":
                self._release()

    def _release(self) -> None:
        for text in self._held:
            self._data(text)
        self._held.clear()


_STEPS = ("acted", "tried", "following", "rolling_back", "finished")  # the events before which data held back is due


def _passing(event: str) -> Callable[..., None]:
    def passing(self: Channel, *values: Any) -> None:
        self._pass(event, *values)

    passing.__name__, passing.__doc__ = event, getattr(Output, event).__doc__
    return passing


_OWN = ("begun", *(name for name in vars(Channel) if not name.startswith("_")))
for _event in (name for name in vars(Output) if not name.startswith("_") and name not in _OWN):
    setattr(Channel, _event, _passing(_event))


class SharedLog:
    """Makes the clusters' outputs, and tells about the run as a whole: its waves, what was not begun, the end."""

    def __init__(
        self,
        output: Callable[[str, _Write], Output],
        log: _Write,
        data: _Write,
        style: Style,
        files: StepFiles | None,
        *,
        as_json: bool = False,
    ) -> None:
        self._output, self._log, self._data, self._style, self._files = output, log, data, style, files
        self._as_json = as_json
        self._lock = threading.RLock()
        self._channels: dict[str, Channel] = {}
        self._general = output("", data)

    def of(self, cluster: str) -> Channel:
        """The output of one cluster."""
        channel = Channel(lambda write: self._output(cluster, write), self._data, self._lock)
        self._channels[cluster] = channel
        return channel

    def begun(self, unfinished: ClustersResult, waves: Sequence[Sequence[str]]) -> None:
        """The first event; ``unfinished`` is the result that remains if the run is killed."""
        if self._files:
            self._files.all_begun(unfinished)
        count = many(sum(map(len, waves)), "cluster")
        told = "; ".join(", ".join(wave) for wave in waves if wave)
        aside = f" in {len(waves)} waves" if len(waves) > 1 else ""
        self._tell(
            "clusters",
            f"k8s-step {__version__}: {count}{aside}{f': {told}' if told else ''}",
            waves=[list(wave) for wave in waves],
        )

    def wave(self, number: int, waves: int, names: Sequence[str]) -> None:
        """A wave begins; ``number`` counts from 1."""
        if waves > 1:
            told = f"wave {number} of {waves}: {', '.join(names)}"
            self._tell("wave", told, wave=number, clusters=list(names))

    def not_begun(self, names: Sequence[str], why: str) -> None:
        """These clusters are left as they are."""
        self._tell("not_begun", f"not begun: {', '.join(names)}: {why}", clusters=list(names), why=why)

    def notice(self, message: str) -> None:
        """A remark that concerns no single cluster."""
        with self._lock:
            self._general.notice(message)

    def warning(self, message: str) -> None:
        """A warning that concerns no single cluster."""
        with self._lock:
            self._general.warning(message, "")

    def error(self, error: StepError) -> None:
        """An error that concerns no single cluster."""
        with self._lock:
            self._general.error(error)

    def finished(self, result: ClustersResult) -> None:
        """The run has ended: the table of clusters, and the verdict."""
        with self._lock:
            if self._as_json:
                self._tell("finished", "", **to_clusters_json(result))
            else:
                self._tell_verdict(result)
            self._general.close()
        if self._files:
            self._files.all_finished(result)

    def print_contents(self) -> None:
        """Print the clusters' content as one."""
        contents = [each for channel in self._channels.values() for each in channel.contents]
        text = contents[0].with_more(contents[1:]).text if contents else ""
        if text:
            self._general.content(text)

    def _tell_verdict(self, result: ClustersResult) -> None:
        has_content = any(channel.has_content for channel in self._channels.values())
        if result.clusters and any(one.result for one in result.clusters):
            (self._log if has_content else self._data)(without_commands(table(result.clusters)))
        tone = "good" if result.exit_code is ExitCode.SUCCEEDED else "bad"
        self._log(f"{self._style(result.verdict, tone)}: {summary(result)}")

    def _tell(self, event: str, text: str, **fields: Any) -> None:
        with self._lock:
            if not self._as_json:
                self._log(text)
                return
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._log(json.dumps({"time": now, "event": event, **fields}, ensure_ascii=False))


def table(clusters: Sequence[ClusterResult]) -> str:
    """A padded table: CLUSTER, WAVE where there are several, RESULT, OBJECTS, SECONDS, MESSAGE."""
    has_waves = len({one.wave for one in clusters}) > 1
    head = ("CLUSTER", *(["WAVE"] if has_waves else []), "RESULT", "OBJECTS", "SECONDS", "MESSAGE")
    rows = [head, *(_row(one, has_waves) for one in clusters)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(one: ClusterResult, has_waves: bool) -> tuple[str, ...]:
    objects = str(len(one.result.objects)) if one.result else "-"
    seconds = f"{one.result.seconds:.1f}" if one.result else "-"
    wave = [str(one.wave)] if has_waves else []
    return (one.name, *wave, one.verdict, objects, seconds, one_line(_message(one), _MESSAGE))


def _message(one: ClusterResult) -> str:
    """The cause of a failure: the first finding, else the errors."""
    if one.result is None or one.is_good:
        return ""
    if one.result.released is ExitCode.SUCCEEDED:
        return "taken back with its wave"
    findings = [f"{each.reference.title} ({each.why})" for each in one.result.findings[:1]]
    return "; ".join(findings) or one.result.message
