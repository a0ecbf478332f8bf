"""The writes of one run, without a server: what was done is known wherever the run ends."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import ApiError, ExitCode, InputError, ReportedError
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned, Written
from k8s_step.redaction import Redactor
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.send import Writes
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal

NAMES = (("v1", "Namespace", "shop"), ("v1", "ConfigMap", "a"), ("v1", "ConfigMap", "b"), ("v1", "Service", "web"))
PLAN = [
    Planned(Address(required(version, kind), Reference(version, kind, "" if kind == "Namespace" else "shop", name)))
    for version, kind, name in NAMES
]


def writes(lines: list[str], *, dry_run: bool = False) -> Writes:
    no_server: Any = None
    run = Run(Inputs(dry_run=dry_run), {}, Journal("apply", [Plain(lines.append, lines.append)]), Redactor())
    return Writes(run, Session(no_server, no_server, "shop"))


def written(one: Planned) -> Written:
    return Written(one, "created", {})


def actions(made: Writes) -> dict[str, str]:
    return {one.reference.title: one.action for one in made.done}


def test_phase_by_phase() -> None:
    phases: list[list[str]] = []
    made = writes([])
    made.make(PLAN, written, lambda: phases.append([one.reference.name for one in made.done]))
    assert [sorted(names) for names in phases] == [["shop"], ["a", "b", "shop"]]
    assert set(actions(made).values()) == {"created"} and len(made.done) == 4


@pytest.mark.parametrize(("dry_run", "unsent"), [(False, True), (True, False)])
def test_a_refusal_ends_the_run_with_its_phase(dry_run: bool, unsent: bool) -> None:
    lines: list[str] = []
    made = writes(lines, dry_run=dry_run)

    def write(one: Planned) -> Written:
        if one.reference.name == "a":
            raise InputError("it is refused", where=one.where)
        return written(one)

    with pytest.raises(ReportedError) as caught:
        made.make(PLAN, write)
    assert caught.value.exit_code is ExitCode.INVALID
    assert actions(made) == {"namespace/shop": "created", "configmap/b": "created"}
    assert any("not sent: service/web" in line for line in lines) is unsent


@pytest.mark.parametrize(("dry_run", "action"), [(False, {"namespace/shop": "unknown"}), (True, {})])
def test_what_may_have_been_done_counts_as_written(dry_run: bool, action: dict[str, str]) -> None:
    made = writes([], dry_run=dry_run)

    def write(one: Planned) -> Written:
        error = ApiError("no answer", code=504)
        error.may_be_done = True
        raise error

    with pytest.raises(ReportedError):
        made.make(PLAN[:1], write)
    assert actions(made) == action
