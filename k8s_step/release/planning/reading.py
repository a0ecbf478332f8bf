"""Reads the manifests of a run: rendered, built and checked, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8s_step.errors import InputError, InputErrors
from k8s_step.inputs import Inputs
from k8s_step.manifests.files import NoTemplates, Sources
from k8s_step.manifests.foreign import exports, hooks
from k8s_step.manifests.manifest import Manifest, load, secret_values
from k8s_step.manifests.names import names_of
from k8s_step.manifests.templating.templates import UNTOUCHED, Values, check_annotation
from k8s_step.objects.kinds import configuration
from k8s_step.objects.metadata import (
    FAIL_ON,
    ON_IMMUTABLE,
    OWN,
    PAUSED,
    PRUNE,
    REQUIRED,
    RUN,
    WAIT_FOR,
    Object,
    annotations_of,
)
from k8s_step.objects.provenance import SOURCE
from k8s_step.release.order.annotations import DEPENDS_ON, WAVE, dependencies_of, wave_of
from k8s_step.release.planning.session import Run
from k8s_step.verdict.terms import patience

if TYPE_CHECKING:
    from k8s_step.manifests.kustomize import Built


def read_manifests(
    run: Run, *, allow_generate_name: bool = False, with_hooks: bool = False, as_exported: bool = False
) -> list[Manifest]:
    """All manifests, rendered and checked; their Secrets' values are masked from here on.

    Helm's hooks are left out unless an option asks for them or the verb takes them (``with_hooks``). Fields that a
    server has written into an exported manifest are left out unless the verb uses them (``as_exported``).
    """
    inputs = run.inputs
    if not inputs.names_manifests:
        hint = "give -f PATH or -k DIR, or INPUT_FILENAME / K8S_FILENAME; k8s-step demo shows the step at work"
        raise InputError("nothing to do: no manifest was named", hint=hint)
    hooks.check_events(inputs.helm_hooks)
    values = Values.read(inputs.variables, inputs.vars_file, run.environ)
    built = _built(run)
    results = [path for path in (inputs.report, inputs.junit, inputs.dotenv, inputs.markdown) if path]
    sources = Sources(inputs.filename, inputs.recursive, results, [one.source for one in built])
    manifests = load(
        sources,
        values,
        images=inputs.images,
        allow_generate_name=allow_generate_name,
        allow_empty=inputs.prune,
        literal=NoTemplates(inputs.no_template, inputs.no_template_file),
    )
    manifests = _marked(inputs, manifests)
    _check_annotations(manifests)
    files = {part for manifest in manifests for part in (manifest.file, *Path(manifest.file).parts)}
    run.redactor.spare(inputs.namespace, *files, *names_of(manifest.object for manifest in manifests))
    run.redactor.add_values(secret_values(manifests))
    for one in built:
        run.journal.notice(f"{one.source.file}: {one.program}")
        if one.warnings:
            run.journal.warning(one.warnings, one.source.file)
    if not with_hooks:
        manifests = _without_hooks(run, manifests)
    if inputs.prune and not manifests and not inputs.allow_empty:
        hint = "--allow-empty deletes all that the set holds"
        raise InputError(f"no manifest in {sources.text}, so all would be pruned", hint=hint)
    return manifests if as_exported else _without_exports(run, manifests)


def _marked(inputs: Inputs, manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests with the labels and annotations of the options."""
    if not inputs.labels and not inputs.annotations:
        return list(manifests)
    from k8s_step.manifests import marks

    labels, annotations = marks.labels_of_options(inputs.labels), marks.annotations_of_options(inputs.annotations)
    if errors := list(_wrong_annotations({"metadata": {"annotations": annotations}}, lambda _: marks.ANNOTATION)):
        raise InputErrors(errors)
    return [marks.marked(one, labels, annotations) for one in manifests]


def _without_hooks(run: Run, manifests: Sequence[Manifest]) -> list[Manifest]:
    kept, left_out = hooks.parted(manifests, run.inputs.helm_hooks)
    if left_out:
        run.journal.remark(hooks.summary(left_out))
    return kept


def _without_exports(run: Run, manifests: Sequence[Manifest]) -> list[Manifest]:
    cleaned, line = exports.without_exports(manifests)
    if line:
        run.journal.remark(line)
    return cleaned


def _built(run: Run) -> list[Built]:
    """The output of kustomize for each folder of ``-k``."""
    if not run.inputs.kustomize:
        return []
    from k8s_step.manifests import kustomize

    built, errors = [], []
    for folder in run.inputs.kustomize:
        try:
            built.append(kustomize.build(folder, run.environ))
        except InputError as error:
            run.redactor.add(*kustomize.literals(folder))
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return built


_ANNOTATIONS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    patience.TIMEOUT: patience.own_timeout,
    patience.FAIL_AFTER: patience.own_patience,
    patience.WAIT: patience.is_waited_for,
    configuration.ROLL: configuration.rolls,
    UNTOUCHED: check_annotation,
    SOURCE: lambda _: None,
    WAVE: wave_of,
    DEPENDS_ON: dependencies_of,
}
# Annotations whose readers are imported where an object has one: module and function.
_SELDOM: Mapping[str, str] = {
    WAIT_FOR: "k8s_step.verdict.terms.rules:own_rule",
    FAIL_ON: "k8s_step.verdict.terms.rules:own_rule",
    PAUSED: "k8s_step.verdict.terms.pauses:own_choice",
    REQUIRED: "k8s_step.verdict.terms.required:own_required",
    ON_IMMUTABLE: "k8s_step.operations.restoring.recreation:may_be_recreated",
    RUN: "k8s_step.operations.restoring.recreation:runs_always",
    PRUNE: "k8s_step.release.pruning.protection:may_be_pruned",
}


def _check_annotations(manifests: Sequence[Manifest]) -> None:
    """Check the step's own annotations now: they are used after the first write, too late for an input error."""
    errors: list[InputError] = []
    for manifest in manifests:
        errors += _wrong_annotations(manifest.object, partial(_line_of_annotation, manifest))
    if errors:
        raise InputErrors(errors)


def _line_of_annotation(manifest: Manifest, name: str) -> str:
    return f"{manifest.file}:{manifest.line_of(f'metadata.annotations.{name}')}"


def _wrong_annotations(obj: Object, place: Callable[[str], str]) -> Iterator[InputError]:
    """A mistake for each wrong annotation of the step, at its ``place``."""
    for name in filter(_is_read, annotations_of(obj)):
        try:
            _reader(name)(obj)
        except InputError as error:
            error.where = f"{place(name)}: {error.where}"
            yield error


def _is_read(name: object) -> bool:
    return name in _ANNOTATIONS or str(name).startswith(OWN)


def _reader(name: str) -> Callable[[Mapping[str, Any]], object]:
    if name in _SELDOM:
        module, _, function = _SELDOM[name].partition(":")
        found: Callable[[Mapping[str, Any]], object] = getattr(import_module(module), function)
        return found
    return _ANNOTATIONS.get(name) or _unknown(name)


def _unknown(name: str) -> Callable[[Mapping[str, Any]], object]:
    def refuse(_: Mapping[str, Any]) -> object:
        import difflib

        known = [each.removeprefix(OWN) for each in (*_ANNOTATIONS, *_SELDOM)]
        near = difflib.get_close_matches(name.removeprefix(OWN), known, 1)
        hint = f"did you mean {OWN}{near[0]}?" if near else f"known are {', '.join((*_ANNOTATIONS, *_SELDOM))}"
        raise InputError("this annotation of the step is not known", where=name, hint=hint)

    return refuse
