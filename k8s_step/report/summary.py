"""The result as Markdown, for the page of a GitHub run: verdict, table of objects, evidence folded.

Text from the cluster is escaped: it is shown literally, never as Markdown or HTML, and cannot end a fenced block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference, is_file
from k8s_step.report.fleet.result import ClustersResult
from k8s_step.report.fleet.result import summary as clusters_summary
from k8s_step.report.layout.text import one_line, printable
from k8s_step.report.results.result import NOT_BACK, PAUSED, ObjectResult, Result
from k8s_step.report.wording import duration, lead_of, parted, standing_of, summary, unjudged
from k8s_step.verdict.states import State

if TYPE_CHECKING:
    from k8s_step.report.difference import Difference
    from k8s_step.verdict.evidence.finding import Finding

LIMIT = 1024 * 1024  # bytes; GitHub drops the summary of a step that is larger
COMMENT = 65_000  # bytes; a comment of GitHub holds 65,536 characters, one of GitLab a million
_NOTE = 200  # bytes kept free for the note that something was left out
_ERRORS = 25  # errors that are listed
_BLOCK = 8  # lines; an error of more lines, such as a traceback, becomes a fenced block
_ROWS = 500  # rows of a table
_CELL = 300  # characters of a message in a table
_TEXT = 20_000  # characters of a message outside of a table
_DIFF = 20_000  # characters of one object's difference
_SPECIAL = re.compile(r"[\\`*_\[\]<>#!|~&$@]|:(?=//)")
_SIGNS = {
    ExitCode.SUCCEEDED: "✅",
    ExitCode.TIMED_OUT: "⌛",
    ExitCode.ROLLED_BACK: "↩️",
    ExitCode.INTERRUPTED: "🚫",
    ExitCode.CANCELLED: "🚫",
}
_STATES: dict[str, str] = {
    State.CURRENT: "✅",
    State.IN_PROGRESS: "⌛",
    State.TERMINATING: "⌛",
    PAUSED: "⏸️",
    State.FAILED: "❌",
    State.NOT_FOUND: "❌",
}
Link = Callable[[Reference], str]


def no_link(_: Reference) -> str:
    """An empty address: files have no URL."""
    return ""


def links_into(source_url: str) -> Link:
    """Links to the lines of manifests in a repository; empty for a file that is not part of it.

    ``source_url``: the URL of the repository's files, empty where it is unknown.
    """

    def link(reference: Reference) -> str:
        file = reference.file
        if not (source_url and is_file(file)) or file.startswith(("/", "..")) or not reference.line:
            return ""
        return f"{source_url}/{quote(file)}#L{reference.line}"

    return link


def to_markdown(result: Result, link: Link = no_link, limit: int = LIMIT) -> str:
    """At most ``limit`` bytes; the last line counts parts that did not fit. ``link`` gives a manifest's URL or ""."""
    return _fitted(_parts(result, link), limit)


def to_clusters_markdown(result: ClustersResult, link: Link = no_link, limit: int = LIMIT) -> str:
    """The same of a run on several clusters: a table of them, those that went wrong in full, the others folded."""
    parts = list(_clusters_parts(result, link))
    good = [one for one in result.clusters if one.result and one.is_good]
    left = limit - _NOTE - sum(map(_size, parts))
    for number, one in enumerate(good):
        assert one.result is not None
        lead, *body = _parts(one.result, link, one.name)
        title = lead.removeprefix("### ").strip()
        room = left // (len(good) - number) - _size(_folded(title, ""))
        parts.append(_folded(title, _fitted(body, room)))
        left -= _size(parts[-1])
    return _fitted(parts, limit)


def _clusters_parts(result: ClustersResult, link: Link) -> Iterable[str]:
    """What is told of all, and each cluster that went wrong, in parts of which as many are kept as fit."""
    yield f"### {_sign(result.verdict, result.exit_code)} {prose(result.name)}: {result.verdict}\n"
    yield f"{prose(clusters_summary(result), _TEXT)}\n"
    if result.problems:
        yield _errors(list(map(str, result.problems)))
    if result.clusters:
        yield _clusters_table(result)
    for one in result.clusters:
        if one.result and not one.is_good:
            yield from _parts(one.result, link, one.name)


def _clusters_table(result: ClustersResult) -> str:
    has_waves = len({one.wave for one in result.clusters}) > 1
    head = ("cluster", *(["wave"] if has_waves else []), "result", "objects", "time")
    rows = []
    for one in result.clusters[:_ROWS]:
        sign = _sign(one.verdict, one.result.exit_code) if one.result else "⏭️"
        objects = str(len(one.result.objects)) if one.result else ""
        seconds = _unbroken(duration(one.result.seconds)) if one.result else ""
        wave = [str(one.wave)] if has_waves else []
        rows.append((_code(one.name), *wave, _unbroken(f"{sign} {one.verdict}"), objects, seconds))
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    more = [f"\nand {len(result.clusters) - _ROWS} more\n"] if len(result.clusters) > _ROWS else []
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], *more]) + "\n"


def _sign(verdict: str, exit_code: ExitCode) -> str:
    return "⚠️" if verdict == "different" else _SIGNS.get(exit_code, "❌")


def _size(part: str) -> int:
    """Bytes of a part and the line break after it."""
    return len(part.encode("utf-8", "replace")) + 1


def _fitted(parts: Iterable[str], limit: int) -> str:
    kept, left_out, size = [], 0, _NOTE
    for part in parts:
        if size + _size(part) > limit:
            left_out += 1
        else:
            kept.append(part)
            size += _size(part)
    if left_out:
        kept.append(f"\n*{left_out} more did not fit into a summary: see the log, or the result file.*\n")
    text = "\n".join(kept)
    return text if len(text.encode("utf-8", "replace")) <= limit else ""


def _parts(result: Result, link: Link, cluster: str = "") -> Iterable[str]:
    name = prose(cluster or result.name)
    yield f"### {_sign(result.verdict, result.exit_code)} {name}: {result.verdict}\n"
    yield f"{prose(summary(result), _TEXT)}{_place(result)}\n"
    if errors := result.errors or (result.message,) * bool(result.message):
        yield _errors(errors)
    yield from _tables(result.objects, link)
    for finding in result.findings:
        yield _evidence(finding, lead_of(result, finding), link)
    if result.unjudged:
        yield f"ℹ️ {prose(unjudged(result, lambda reference: reference.title), _TEXT)}\n"
    if result.warnings:
        lines = "".join(f"- {prose(warning, _CELL)}\n" for warning in result.warnings[:_ROWS])
        yield _folded(f"⚠️ Warnings: {len(result.warnings)}", lines)
    yield from _differences(result.differences, link)


def _place(result: Result) -> str:
    spaces = {entry.reference.namespace for entry in result.objects} - {""}
    namespace = spaces.pop() if len(spaces) == 1 else ""
    parts = [("on", result.server), ("context", result.context), ("namespace", namespace)]
    return "".join(f", {word} {_code(text)}" for word, text in parts if text)


def _errors(errors: Sequence[str]) -> str:
    """The errors as a list; an error of many lines, such as a traceback, as a fenced block."""
    points = []
    for error in errors[:_ERRORS]:
        lines = error[:_TEXT].splitlines()
        text = "<br>".join(prose(line, _TEXT) for line in lines)
        points.append(f"\n{_fenced(lines)}" if len(lines) > _BLOCK else f"- {text}\n")
    more = [f"- and {len(errors) - _ERRORS} more\n"] if len(errors) > _ERRORS else []
    return "".join([*points, *more])


# -- the objects


def _tables(objects: Sequence[ObjectResult], link: Link) -> Iterable[str]:
    """A table of objects, failed ones first; of many objects, the unchanged ones go to a second, folded table."""
    told, quiet = parted(objects)
    told.sort(key=lambda entry: not (entry.is_bad or entry.rolled_back in NOT_BACK))
    if not any(entry.status or entry.action != "none" or entry.message for entry in objects):
        return  # the objects were only read or printed
    with_namespace = len({entry.reference.namespace for entry in objects if entry.reference.namespace}) > 1
    if told:
        yield _table(told, with_namespace, link)
    if quiet:
        yield _folded(f"{len(quiet)} objects {standing_of(quiet)}", _table(quiet, with_namespace, link))


def _table(entries: Sequence[ObjectResult], with_namespace: bool, link: Link) -> str:
    """The entries as a Markdown table, without columns that are empty in every row."""
    rows = [_cells(entry, with_namespace, link) for entry in entries[:_ROWS]]
    columns = [column for column in zip(_HEAD, *rows, strict=True) if any(column[1:])]
    head, *lines = (f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True))
    more = [f"\nand {len(entries) - _ROWS} more\n"] if len(entries) > _ROWS else []
    return "\n".join([head, f"|{'---|' * len(columns)}", *lines, *more]) + "\n"


_HEAD = ("namespace", "object", "action", "status", "time", "message", "rollback")


def _cells(entry: ObjectResult, with_namespace: bool, link: Link) -> tuple[str, ...]:
    reference = entry.reference
    return (
        _code(reference.namespace) if with_namespace else "",
        _linked(_code(reference.title), link(reference)),
        entry.done,
        _unbroken(f"{'' if entry.is_gone else _STATES.get(entry.word, '')} {entry.word}".strip()),
        _unbroken(duration(entry.seconds)) if entry.status and entry.seconds >= 0.05 else "",
        prose(entry.told, _CELL),
        ": ".join(part for part in (entry.rolled_back, prose(entry.rollback_message, _CELL)) if part),
    )


# -- what would change


def _differences(found: Sequence[Difference], link: Link) -> Iterable[str]:
    """A table of the objects that would change, then the difference of each, folded."""
    changed = [one for one in found if one.lines]
    if not changed:
        return
    rows = [_change(one, link) for one in changed[:_ROWS]]
    more = [f"\nand {len(changed) - _ROWS} more\n"] if len(changed) > _ROWS else []
    head = ["| object | change | lines | |", "|---|---|---|---|"]
    yield "\n".join([*head, *rows, *more]) + "\n"
    for one in changed:
        yield _folded(prose(one.title), _fenced(_shortened(one.lines), "diff"))


def _change(found: Difference, link: Link) -> str:
    added, removed = (
        sum(line.startswith(sign) and not line.startswith(sign * 3) for line in found.lines) for sign in "+-"
    )
    cells = (
        _linked(_code(str(found.reference)), link(found.reference)),
        found.action,
        f"+{added} −{removed}",
        prose(found.note),
    )
    return f"| {' | '.join(cells)} |"


def _shortened(lines: Sequence[str]) -> list[str]:
    """The first lines, up to ``_DIFF`` characters, with a last line that counts the others."""
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > _DIFF:
            return [*kept, f"… and {len(lines) - len(kept)} lines more"]
        kept.append(line)
    return kept


# -- the evidence


def _evidence(finding: Finding, lead: str, link: Link) -> str:
    reference = finding.reference
    parts = ["".join(f"- <b>{label}:</b> {text}\n" for label, text in _facts(finding, link) if text)]
    if finding.logs:
        parts.append(f"Last lines of {prose(finding.logs_of)}:\n\n{_fenced(finding.logs)}")
    if finding.events:
        parts.append(f"Events, newest first:\n\n{_fenced(finding.events)}")
    parts += [f"{prose(problem)}\n" for problem in finding.missing]
    reason = prose(finding.why)
    return _folded(f"<b>{prose(reference.title)}</b> {lead}: <b>{reason}</b>", "\n".join(parts))


def _facts(finding: Finding, link: Link) -> list[tuple[str, str]]:
    reference = finding.reference
    node = f" on node {_code(finding.node)}" if finding.node else ""
    alike = f", and {finding.alike} more likewise" if finding.alike else ""
    return [
        ("message", prose(finding.message, _TEXT)),
        ("manifest", _linked(_code(reference.where), link(reference))),
        ("namespace", _code(reference.namespace)),
        ("pod", f"{_code(finding.pod)}{node}{alike}" if finding.pod else ""),
        ("container", _code(finding.container)),
        ("image", _code(finding.image)),
        ("probe", _code(finding.probe)),
        ("answered", "" if finding.probe_answer in finding.message else prose(finding.probe_answer)),
        *(("claim", prose(claim)) for claim in finding.claims),
        ("likely", prose(finding.advice)),
        ("check", prose(finding.check)),
    ]


# -- Markdown


def prose(text: str, limit: int = _CELL) -> str:
    """``text`` on one line of at most ``limit`` characters, with the special characters of Markdown and HTML escaped.

    Source: CommonMark 0.31, section 2.5: a character written as an entity has no syntactic meaning.
    """
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", one_line(text, limit))


def _code(text: str) -> str:
    return f"<code>{prose(text)}</code>" if text else ""


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")


def _linked(text: str, address: str) -> str:
    return f"[{text}]({address})" if address and text else text


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n</details>\n"


def _fenced(lines: Sequence[str], language: str = "text") -> str:
    """The lines as a fenced block, whose fence is longer than any row of backticks in them."""
    text = printable("\n".join(lines))
    longest = max((len(row) for row in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"
