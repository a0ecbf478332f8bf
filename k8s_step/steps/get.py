"""``get``: read objects by name, by kind or by selector, and print them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from k8s_step.api.concurrency import gather, successes
from k8s_step.errors import ExitCode, InputError, ReportedError, StepError
from k8s_step.inputs import Inputs
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.secrets import masked
from k8s_step.objects.selection import Group, field_selector, label_selector
from k8s_step.operations.get import NAMES, OBJECTS, TABLE, Page, Reader, Wanted, name
from k8s_step.redaction import Redactor
from k8s_step.release.arguments import kinds_alone, parse, words_of
from k8s_step.release.session import Run, Session, open_session
from k8s_step.report import files
from k8s_step.report.table import Shape, lines
from k8s_step.report.yamltext import dump

_FORMS = {"table": TABLE, "wide": TABLE, "name": NAMES}


def get(run: Run) -> ExitCode:
    """Read and print. One that can't be read is told, and keeps none of the others from being printed."""
    inputs = run.inputs
    run.journal.content_follows()
    labels, fields = _selectors(inputs)
    _check(inputs)
    session = open_session(run, many_namespaces=True)
    wanted = _wanted(inputs, session, labels, fields)
    form = _FORMS.get(inputs.output or "table", OBJECTS)
    reader = Reader(session.client, form, inputs.limit, run.journal.notice)
    if inputs.output == "protobuf":
        return _into_file(run, reader, wanted)
    printed = _streamed if inputs.output in _LINES else _at_once
    pages, refused = printed(run, reader, wanted)
    _sum_up(run, session, wanted, pages, has_failed=bool(refused))
    if refused:
        raise ReportedError(min(error.exit_code for error in refused))
    return ExitCode.SUCCEEDED


def _selectors(inputs: Inputs) -> tuple[str, str]:
    labels = label_selector(inputs.selector, "--selector") if inputs.selector else ""
    return labels, field_selector(inputs.field_selector, "--field-selector") if inputs.field_selector else ""


def _check(inputs: Inputs) -> None:
    """Raises :class:`InputError` where words and options contradict each other."""
    words = words_of(inputs.object)
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
        found = dict.fromkeys(session.discovery.find(kind) for kind in kinds)
        spaces = [""] if inputs.all_namespaces else session.namespaces
        groups = (Group(one, space if one.namespaced else "", labels, fields) for one in found for space in spaces)
        return list(dict.fromkeys(groups))
    kinds = kinds_alone(words[:1])
    lists = [[kind, *words[1:]] for kind in kinds] if kinds else [words]
    named = (parse(each, session.discovery, space) for each in lists for space in session.namespaces)
    return list(dict.fromkeys(one for some in named for one in some))


# -- as it arrives


def _streamed(run: Run, reader: Reader, wanted: Sequence[Wanted]) -> tuple[list[Page], list[StepError]]:
    """A line an object, page by page; only the names are kept."""
    line = _LINES[run.inputs.output or ""]

    def work(one: Wanted) -> Page:
        kept: list[Object] = []
        for page in reader.unseen(one):
            if page.items:
                run.journal.document("\n".join(line(run, page.resource, item) for item in page.items))
            kept += [{"metadata": dict(zip(("namespace", "name"), name(item), strict=True))} for item in page.items]
        return Page(one.resource, tuple(kept))

    return _read(run, work, wanted)


def _name_line(_: Run, resource: Resource, item: Object) -> str:
    return _reference(resource, item).title


def _json_line(run: Run, _: Resource, item: Object) -> str:
    return json.dumps(_shown(run, item), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


_LINES: dict[str, Callable[[Run, Resource, Object], str]] = {"name": _name_line, "jsonl": _json_line}


# -- when all is read


def _at_once(run: Run, reader: Reader, wanted: Sequence[Wanted]) -> tuple[list[Page], list[StepError]]:
    pages, refused = _read(run, reader.whole, wanted)
    if reader.form.is_table:
        text = "\n\n".join("\n".join(block) for block in _blocks(run, wanted, pages))
    else:
        text = _document(run, wanted, pages)
    if text:
        run.journal.document(text)
    return pages, refused


def _blocks(run: Run, wanted: Sequence[Wanted], pages: Sequence[Page]) -> Iterator[list[str]]:
    """A table for each kind there is something of; the kinds stand before the names where there are several."""
    resources = list(dict.fromkeys(one.resource for one in wanted))
    for resource in resources:
        own = [page for page in pages if page.resource == resource]
        rows = [_row(run.redactor, page, row) for page in own for row in page.items]
        prefix = Reference(resource.api_version, resource.kind, "", "").title.rstrip("/") if len(resources) > 1 else ""
        if rows:
            inputs = run.inputs
            has_spaces = resource.namespaced and (inputs.all_namespaces or len(_spaces(wanted)) > 1)
            shape = Shape(inputs.output == "wide", has_spaces, prefix)
            yield lines(own[0].columns, rows, shape)


def _spaces(wanted: Sequence[Wanted]) -> set[str]:
    """The namespaces that were looked into; of cluster-wide kinds none."""
    found = (one.namespace if isinstance(one, Group) else one.reference.namespace for one in wanted)
    return {namespace for namespace in found if namespace}


def _row(redactor: Redactor, page: Page, row: Object) -> Object:
    """Masked, but for the name."""
    cells = row.get("cells") or []
    shown = redactor.mask_object({"cells": cells})["cells"]
    names = [column.get("format") == "name" for column in page.columns]
    return {**row, "cells": [cell if name else mask for cell, mask, name in zip(cells, shown, names, strict=False)]}


def _document(run: Run, wanted: Sequence[Wanted], pages: Sequence[Page]) -> str:
    """One object that was named as it is, anything else as a List, as kubectl does."""
    items = [_shown(run, item) for page in pages for item in page.items]
    is_one = len(wanted) == 1 and not isinstance(wanted[0], Group)
    if is_one and not items:
        return ""
    shown = (
        items[0]
        if is_one
        else {"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}
    )
    if run.inputs.output == "yaml":
        return dump(shown).removesuffix("\n")
    return json.dumps(shown, indent=4, sort_keys=True, ensure_ascii=False)


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


def _read(run: Run, work: Callable[[Wanted], Page], wanted: Sequence[Wanted]) -> tuple[list[Page], list[StepError]]:
    """Read several at once. The pages in the order asked for; what was refused has been told."""
    refused: list[StepError] = []

    def tell(_: Wanted, error: StepError) -> None:
        run.journal.error(error)
        refused.append(error)

    done = dict(successes(gather(work, wanted, run.inputs.concurrency), tell))
    return [done[one] for one in wanted if one in done], refused


def _shown(run: Run, item: Object) -> Object:
    """Masked before it becomes text, in which a mask may stand for a key or break the text."""
    return run.redactor.mask_object(masked({}, item)[1])


def _reference(resource: Resource, item: Object) -> Reference:
    return Reference(resource.api_version, resource.kind, *name(item))


def _sum_up(run: Run, session: Session, wanted: Sequence[Wanted], pages: Sequence[Page], *, has_failed: bool) -> None:
    found = [_reference(page.resource, item) for page in pages for item in page.items]
    secrets = sum(one.kind == "Secret" for one in found)
    if secrets and run.inputs.output in ("yaml", "json", "jsonl"):
        run.journal.notice(f"the values of {secrets} Secret{'s' if secrets > 1 else ''} are masked here")
    if found:
        run.journal.loaded(found)
    elif not has_failed:
        is_of_one = any(one.resource.namespaced for one in wanted) and not run.inputs.all_namespaces
        spaces = session.namespaces
        word = "namespace" if len(spaces) == 1 else "namespaces"
        place = f" in {', '.join(spaces)} {word}" if is_of_one else ""
        run.journal.notice(f"No resources found{place}.")
