"""The result files that the user asked for: begun as unfinished, and written at the end, masked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from k8s_step.errors import InputError
from k8s_step.redaction import Redactor
from k8s_step.report import files
from k8s_step.report.results.result import SCHEMA, Result, rooted, to_json
from k8s_step.surroundings import Surroundings

if TYPE_CHECKING:
    from k8s_step.report.fleet.result import ClustersResult


class ResultFiles(NamedTuple):
    """``paths``: where the files go, by the name of the option: report, junit, dotenv, markdown.

    ``read``: the real paths of files that the run reads, and so never writes.
    """

    paths: Mapping[str, str]
    surroundings: Surroundings
    redactor: Redactor
    read: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raises :class:`InputError` for a file that cannot be written."""
        for option, path in self.paths.items():
            if not files.is_writable(path):
                hint = "is its folder there, and writable?"
                raise InputError(f"{path} can't be written", where=f"--{option}", hint=hint)
            if os.path.realpath(path) in self.read:
                hint = "write the result to another file"
                raise InputError(f"{path} is among the reports that are read", where=f"--{option}", hint=hint)

    def writable(self) -> ResultFiles:
        """Those of the files that can be written."""
        told = {option: path for option, path in self.paths.items() if os.path.realpath(path) not in self.read}
        return self._replace(paths={option: path for option, path in told.items() if files.is_writable(path)})

    def begin(self, unfinished: Result | ClustersResult) -> None:
        """Replace an earlier run's files by an unfinished result; remove those that can't be replaced."""
        for option, path in self.paths.items():
            try:
                files.begin(path, self._text(option, unfinished))
            except OSError as error:
                raise InputError(f"{path} can't be written: {error.strerror}", where=f"--{option}") from None

    def write(self, result: Result | ClustersResult, complain: Callable[[str], None]) -> None:
        """Write all files; ``complain`` is told of each that can't be written."""
        for option, path in self.paths.items():
            try:
                files.write(path, self.redactor.mask_line(self._text(option, result)))
            except OSError as error:
                complain(f"error: {path} can't be written: {error.strerror}")

    def _text(self, option: str, result: Result | ClustersResult) -> str:
        return _TEXTS[option](self, result)

    def _report(self, result: Result | ClustersResult) -> str:
        if isinstance(result, Result):
            return _json({"schema": SCHEMA, **to_json(result)})
        from k8s_step.report.fleet.result import to_clusters_json

        return _json({"schema": SCHEMA, **to_clusters_json(result)})

    def _junit(self, result: Result | ClustersResult) -> str:
        from k8s_step.report.results.junit import PLACES, to_clusters_junit, to_junit

        where = self.surroundings
        if isinstance(result, Result):
            return to_junit(rooted(result, where.workspace), PLACES[where.system])
        from k8s_step.report.fleet.result import clusters_rooted

        return to_clusters_junit(clusters_rooted(result, where.workspace), PLACES[where.system])

    def markdown(self, result: Result | ClustersResult) -> str:
        """The outcome as Markdown that fits a comment."""
        from k8s_step.report.summary import COMMENT, links_into, to_clusters_markdown, to_markdown

        where = self.surroundings
        link = links_into(where.source_url)
        if isinstance(result, Result):
            return to_markdown(rooted(result, where.workspace), link, COMMENT)
        from k8s_step.report.fleet.result import clusters_rooted

        return to_clusters_markdown(clusters_rooted(result, where.workspace), link, COMMENT)

    def _dotenv(self, result: Result | ClustersResult) -> str:
        from k8s_step.report.formats.gitlab import to_dotenv

        return to_dotenv(result, self.paths.get("report"))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_TEXTS: Mapping[str, Callable[[ResultFiles, Any], str]] = {
    "report": ResultFiles._report,
    "junit": ResultFiles._junit,
    "dotenv": ResultFiles._dotenv,
    "markdown": ResultFiles.markdown,
}
