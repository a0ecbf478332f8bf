"""``get``: read objects by name, by kind or by selector, and print them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from k8s_step.api.concurrency import in_order
from k8s_step.errors import ExitCode, InputError, ReportedError, StepError
from k8s_step.inputs import Inputs
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.secrets import masked
from k8s_step.objects.selection import Group, field_selector, label_selector
from k8s_step.operations.get import NAMES, OBJECTS, Form, Page, Reader, Wanted, table
from k8s_step.release.arguments import kinds_alone, parse, words_of
from k8s_step.release.session import Run, Session, open_session
from k8s_step.report import files
from k8s_step.report.content import CLUSTER, Recorder
from k8s_step.report.printers.printer import Printer, Write

_RECORDED = 1000  # objects that the result file names


def get(run: Run) -> ExitCode:
    """Read and print. One that can't be read is told, and keeps none of the others from being printed."""
    inputs = run.inputs
    run.journal.content_follows()
    labels, fields = _selectors(inputs)
    _check(run)
    session = open_session(run, many_namespaces=True)
    wanted = _wanted(inputs, session, labels, fields)
    if inputs.output == "protobuf":
        return _into_file(run, Reader(session.client, OBJECTS, inputs.limit, run.journal.notice), wanted)
    printer, form = _printer(run, wanted)
    goes_on = inputs.on_expired == "continue"
    reader = Reader(session.client, form, inputs.limit, run.journal.notice, printer.show, goes_on)
    tally = _printed(run, reader, printer, wanted)
    _sum_up(run, session, wanted, tally)
    if tally.refused:
        raise ReportedError(min(error.exit_code for error in tally.refused))
    return ExitCode.SUCCEEDED


def _selectors(inputs: Inputs) -> tuple[str, str]:
    labels = label_selector(inputs.selector, "--selector") if inputs.selector else ""
    return labels, field_selector(inputs.field_selector, "--field-selector") if inputs.field_selector else ""


def _check(run: Run) -> None:
    """Raises :class:`InputError` where words and options contradict each other."""
    inputs = run.inputs
    words = words_of(inputs.object)
    if run.cluster and inputs.output == "protobuf":
        raise InputError("protobuf is of one cluster", where="--output")
    if not words:
        raise InputError("nothing to do: what is to be read?", hint="KIND, KIND/NAME, or KIND -l SELECTOR")
    if (inputs.output == "protobuf") != bool(inputs.output_file):
        raise InputError("-o protobuf and --output-file PATH go together", hint="the other formats go to stdout")
    if kinds_alone(words):
        return
    if inputs.selector or inputs.field_selector:
        raise InputError("an object is named and a selector given as well", hint="KIND/NAME, or KIND -l SELECTOR")
    if inputs.all_namespaces:
        raise InputError("an object is named, which is in one namespace", where="--all-namespaces", hint="-n NAME")


def _wanted(inputs: Inputs, session: Session, labels: str, fields: str) -> list[Wanted]:
    words = words_of(inputs.object)
    if kinds := kinds_alone(words):
        found = dict.fromkeys(one for kind in kinds for one in session.discovery.find_all(kind))
        spaces = [""] if inputs.all_namespaces else session.namespaces
        groups = (Group(one, space if one.namespaced else "", labels, fields) for one in found for space in spaces)
        return list(dict.fromkeys(groups))
    kinds = kinds_alone(words[:1])
    lists = [[kind, *words[1:]] for kind in kinds] if kinds else [words]
    named = (parse(each, session.discovery, space) for each in lists for space in session.namespaces)
    return list(dict.fromkeys(one for some in named for one in some))


# -- printed as it arrives


@dataclass
class _Tally:
    """What has been read: the first references and how many there are, and what was refused."""

    found: list[Reference] = field(default_factory=list)
    count: int = 0
    secrets: int = 0
    refused: list[StepError] = field(default_factory=list)

    def add(self, page: Page) -> None:
        """Count the entries of a page."""
        resource = page.resource
        self.count += len(page.entries)
        self.secrets += len(page.entries) if resource.kind == "Secret" else 0
        some = page.entries[: _RECORDED - len(self.found)]
        self.found += [Reference(resource.api_version, resource.kind, each.namespace, each.name) for each in some]


def _printed(run: Run, reader: Reader, printer: Printer, wanted: Sequence[Wanted]) -> _Tally:
    """Read several at once and print them in the order asked for; what was refused has been told."""
    tally, has_read = _Tally(), False
    for _, pages in in_order(reader.final, wanted, run.inputs.concurrency):
        before = tally.count
        try:
            for page in pages:
                printer.add(page.resource, page.columns, page.items)
                tally.add(page)
            has_read = True
        except StepError as error:
            run.journal.error(error)
            tally.refused.append(error)
            if tally.count > before and not printer.break_off():
                return tally
    if has_read or tally.count:
        printer.end()
    return tally


def _printer(run: Run, wanted: Sequence[Wanted]) -> tuple[Printer, Form]:
    make = _PRINTERS[run.inputs.output or "table"]
    return make(run, wanted)


def _documents(run: Run, wanted: Sequence[Wanted]) -> tuple[Printer, Form]:
    from k8s_step.report.printers import documents

    syntax = documents.YAML if run.inputs.output == "yaml" else documents.JSON
    is_one = len(wanted) == 1 and not isinstance(wanted[0], Group) and not run.cluster
    return _printing(run, lambda write: documents.Documents(write, _mask(run), syntax, is_one=is_one)), OBJECTS


def _printing(run: Run, make: Callable[[Write], Printer]) -> Printer:
    """The printer; of several clusters, one that keeps what all of them print in the end."""
    return Recorder(make, run.journal.delivered) if run.cluster else make(run.journal.document)


def _json_lines(run: Run, _: Sequence[Wanted]) -> tuple[Printer, Form]:
    from k8s_step.report.printers import lines

    return lines.Lines(run.journal.document, lines.json_line(_mask(run))), OBJECTS


def _names(run: Run, _: Sequence[Wanted]) -> tuple[Printer, Form]:
    from k8s_step.report.printers import lines

    def line(resource: Resource, item: Object) -> str:
        return " ".join(part for part in (run.cluster, lines.name(resource, item)) if part)

    return lines.Lines(run.journal.document, line), NAMES


def _tables(run: Run, wanted: Sequence[Wanted]) -> tuple[Printer, Form]:
    from k8s_step.report.printers.tables import Tables
    from k8s_step.report.table import Shape

    inputs = run.inputs
    spaces = {space for one in wanted if (space := _space(one))}  # of cluster-wide kinds none
    shape = Shape(inputs.output == "wide", namespaces=inputs.all_namespaces or len(spaces) > 1)
    several = len({one.resource for one in wanted}) > 1

    def make(write: Write) -> Printer:
        return Tables(write, run.redactor.mask_object, shape, names_kinds=several, cluster=run.cluster)

    return _printing(run, make), table(is_lean=not shape.namespaces)


def _space(wanted: Wanted) -> str:
    return wanted.namespace if isinstance(wanted, Group) else wanted.reference.namespace


_PRINTERS: dict[str, Callable[[Run, Sequence[Wanted]], tuple[Printer, Form]]] = {
    "table": _tables,
    "wide": _tables,
    "json": _documents,
    "yaml": _documents,
    "jsonl": _json_lines,
    "name": _names,
}


def _mask(run: Run) -> Callable[[Object], Object]:
    """Masks an object before it becomes text, in which a mask may stand for a key or break the text."""
    lead = {CLUSTER: run.cluster} if run.cluster else {}
    return lambda item: {**lead, **run.redactor.mask_object(masked({}, item)[1])}


# -- as it is


def _into_file(run: Run, reader: Reader, wanted: Sequence[Wanted]) -> ExitCode:
    """The bytes of one answer. Nothing could be masked in them, so there are none of Secrets."""
    path = Path(run.inputs.output_file or "")
    if len(wanted) != 1:
        raise InputError("protobuf is of one kind or one object", where="--output")
    if wanted[0].resource.full_name == "secrets":
        raise InputError("a Secret's values can't be masked in protobuf", where="--output", hint="-o yaml masks them")
    raw = reader.raw(wanted[0])
    try:
        files.write(str(path), raw)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}", where="--output-file") from None
    run.journal.notice(f"{len(raw)} bytes written to {path}")
    return ExitCode.SUCCEEDED


# -- both


def _sum_up(run: Run, session: Session, wanted: Iterable[Wanted], tally: _Tally) -> None:
    if tally.secrets and run.inputs.output not in (None, "table", "wide", "name"):
        many = "s" if tally.secrets > 1 else ""
        run.journal.notice(f"the values of {tally.secrets} Secret{many} are masked here")
    if tally.count:
        run.journal.loaded(tally.found, tally.count)
    elif not tally.refused:
        is_of_one = any(one.resource.namespaced for one in wanted) and not run.inputs.all_namespaces
        spaces = session.namespaces
        word = "namespace" if len(spaces) == 1 else "namespaces"
        place = f" in {', '.join(spaces)} {word}" if is_of_one else ""
        run.journal.notice(f"No resources found{place}.")
