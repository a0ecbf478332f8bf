"""``get``: read objects by name, by kind or by selector, and print them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from k8s_step.api.concurrency import in_order
from k8s_step.errors import ExitCode, InputError, ReportedError, StepError
from k8s_step.inputs import Inputs
from k8s_step.objects.kinds.secrets import masked
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.selection import Group, selectors
from k8s_step.operations.get import NAMES, OBJECTS, Form, Page, Reader, Wanted, table
from k8s_step.release.planning.arguments import kinds_alone, parse, words_of
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.report import files
from k8s_step.report.content import CLUSTER, Recorder
from k8s_step.report.printers.printer import Printer, Write

_RECORDED = 1000  # objects that the result file names


def get(run: Run) -> ExitCode:
    """Read and print. One that can't be read is told, and keeps none of the others from being printed."""
    inputs = run.inputs
    run.journal.content_follows()
    labels, fields = selectors(inputs.selector, inputs.field_selector)
    _check(run)
    prepared = _prepared(run)
    session = open_session(run, many_namespaces=True)
    wanted = _wanted(inputs, session, labels, fields)
    if inputs.output == "protobuf":
        return _into_file(run, Reader(session.client, OBJECTS, inputs.limit, run.journal.notice), wanted)
    printer, form = prepared(wanted)
    goes_on = inputs.on_expired == "continue"
    reader = Reader(session.client, form, inputs.limit, run.journal.notice, printer.show, goes_on)
    tally = _printed(run, reader, printer, wanted)
    _sum_up(run, session, wanted, tally)
    if tally.refused:
        raise ReportedError(min(error.exit_code for error in tally.refused))
    return ExitCode.SUCCEEDED


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
    if inputs.show_labels and inputs.output not in (None, "table", "wide"):
        raise InputError("labels are a column of a table", where="--show-labels", hint="-o table or -o wide")
    if kinds_alone(words):
        if inputs.subresource:
            raise InputError("it is a part of named objects", where="--subresource", hint="KIND/NAME")
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
    part = inputs.subresource or ""
    return list(dict.fromkeys(one._replace(subresource=part) for some in named for one in some))


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


# -- what is printed

_Make = Callable[[Write], Printer]
_Prepared = Callable[[Sequence[Wanted]], tuple[_Make, Form]]
_LINEWISE = ("name", "jsonl")


def _prepared(run: Run) -> Callable[[Sequence[Wanted]], tuple[Printer, Form]]:
    """Makes the printer, and says what it needs, once the lists are known. Raises :class:`InputError` before that."""
    name, _, given = (run.inputs.output or "table").partition("=")
    prepare = _ordered(run, _PRINTERS.get(name, _documents)(run, given))
    # Of several clusters, all print in the end; lines stand by themselves.
    is_recorded = run.cluster and (name not in _LINEWISE or run.inputs.sort_by)

    def printer(wanted: Sequence[Wanted]) -> tuple[Printer, Form]:
        make, form = prepare(wanted)
        return Recorder(make, run.journal.delivered) if is_recorded else make(run.journal.document), form

    return printer


def _ordered(run: Run, prepare: _Prepared) -> _Prepared:
    if not run.inputs.sort_by:
        return prepare
    from k8s_step.objects.jsonpath.template import field as path_to
    from k8s_step.report.printers.order import Ordered

    path = path_to(run.inputs.sort_by, run.inputs.sources.get("sort_by", "--sort-by"))

    def ordered(wanted: Sequence[Wanted]) -> tuple[_Make, Form]:
        make, form = prepare(wanted)
        whole = table("Object") if form.is_table else form if form.with_managers else OBJECTS
        return lambda write: Ordered(make(write), path, _mask(run)), whole

    return ordered


def _documents(run: Run, _: str) -> _Prepared:
    from k8s_step.report.printers import documents

    syntax = documents.YAML if run.inputs.output == "yaml" else documents.JSON

    def prepare(wanted: Sequence[Wanted]) -> tuple[_Make, Form]:
        is_one = _is_one(run, wanted)
        return lambda write: documents.Documents(write, _mask(run), syntax, is_one=is_one), OBJECTS

    return prepare


def _json_lines(run: Run, _: str) -> _Prepared:
    from k8s_step.report.printers import lines

    return lambda _: (lambda write: lines.Lines(write, lines.json_line(_mask(run))), OBJECTS)


def _names(run: Run, _: str) -> _Prepared:
    from k8s_step.report.printers import lines

    def line(resource: Resource, item: Object) -> str:
        return " ".join(part for part in (run.cluster, lines.name(resource, item)) if part)

    return lambda _: (lambda write: lines.Lines(write, line), NAMES)


def _templates(run: Run, template: str) -> _Prepared:
    from k8s_step.objects.jsonpath.template import Template
    from k8s_step.report.printers import templates

    parsed = Template.parse(template, _origin(run))

    def prepare(wanted: Sequence[Wanted]) -> tuple[_Make, Form]:
        is_one = _is_one(run, wanted)
        return lambda write: templates.printer(write, _mask(run), parsed, is_one=is_one), _WITH_MANAGERS

    return prepare


def _columns(run: Run, spec: str) -> _Prepared:
    from k8s_step.report.printers import columns

    own = f"{CLUSTER.upper()}:{CLUSTER}," if run.cluster else ""
    parsed = columns.parse(own + spec.strip(), _origin(run))
    with_header = not run.inputs.no_headers
    return lambda _: (lambda write: columns.Columns(write, _mask(run), parsed, with_header=with_header), _WITH_MANAGERS)


def _tables(run: Run, _: str) -> _Prepared:
    from k8s_step.report.layout.table import Shape
    from k8s_step.report.printers.tables import Tables

    inputs = run.inputs

    def prepare(wanted: Sequence[Wanted]) -> tuple[_Make, Form]:
        spaces = {space for one in wanted if (space := _space(one))}  # of cluster-wide kinds none
        has_spaces = inputs.all_namespaces or len(spaces) > 1
        shape = Shape(inputs.output == "wide", has_spaces, labels=inputs.show_labels)

        def make(write: Write) -> Printer:
            return Tables(
                write,
                run.redactor.mask_object,
                shape,
                names_kinds=len({one.resource for one in wanted}) > 1,
                with_header=not inputs.no_headers,
                cluster=run.cluster,
            )

        return make, table(is_lean=not has_spaces and not inputs.show_labels)

    return prepare


_PRINTERS: dict[str, Callable[[Run, str], _Prepared]] = {
    "table": _tables,
    "wide": _tables,
    "json": _documents,
    "yaml": _documents,
    "jsonl": _json_lines,
    "name": _names,
    "jsonpath": _templates,
    "custom-columns": _columns,
}
_WITH_MANAGERS = replace(OBJECTS, with_managers=True)  # as with kubectl, a path may lead to managedFields


def _is_one(run: Run, wanted: Sequence[Wanted]) -> bool:
    """Whether it is one named object of one cluster, which is printed alone."""
    return len(wanted) == 1 and not isinstance(wanted[0], Group) and not run.cluster


def _space(wanted: Wanted) -> str:
    return wanted.namespace if isinstance(wanted, Group) else wanted.reference.namespace


def _origin(run: Run) -> str:
    return run.inputs.sources.get("output", "--output")


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
