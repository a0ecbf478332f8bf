"""``render``: the manifests as they would be sent, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from k8s_step.errors import ExitCode
from k8s_step.objects.kinds.secrets import masked
from k8s_step.objects.reference import Reference
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.report.layout.yamltext import dump_all


def render(run: Run) -> ExitCode:
    """Read the manifests and print them in order. Secrets are printed masked, so they can't be applied again."""
    manifests = read_manifests(run, allow_generate_name=True)
    run.journal.loaded([Reference.to(one.object, one.file, one.line) for one in manifests])
    ordered = [one for phase in in_phases((one.kind, one) for one in manifests) for one in phase]
    objects = [(one.where, run.redactor.mask_object(masked({}, one.object)[1])) for one in ordered]
    run.journal.document(_FORMATS[run.inputs.output or "yaml"](objects).removesuffix("\n"))
    secrets = sum(one.kind == "Secret" for one in ordered)
    if secrets:
        run.journal.notice(f"the values of {secrets} Secret{'s' if secrets > 1 else ''} are masked here, not in apply")
    return ExitCode.SUCCEEDED


Rendered = Sequence[tuple[str, dict[str, Any]]]


def _as_yaml(objects: Rendered) -> str:
    return dump_all((f"Source: {where}", obj) for where, obj in objects)


def _as_json(objects: Rendered) -> str:
    items = [obj for _, obj in objects]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False)


_FORMATS: dict[str, Callable[[Rendered], str]] = {"yaml": _as_yaml, "json": _as_json}
