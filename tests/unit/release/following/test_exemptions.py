"""Which targets are followed: ``--no-wait-for``, the annotation, and what is asked for by name."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.discovery import Discovery
from k8s_step.errors import ExitCode, InputErrors
from k8s_step.inputs import Inputs
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, required
from k8s_step.redaction import Redactor
from k8s_step.release.following.exemptions import announce, followed
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal
from k8s_step.report.output import Output
from k8s_step.report.results.result import Result
from k8s_step.verdict.target import Target

KNATIVE = Resource("serving.knative.dev", "v1", "Service", "services", True, "service", ("kservice", "ksvc"))


class Told(Output):
    """What the log was told."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)


class _Server:
    """Serves the kinds that every cluster has, and no others."""

    def send(self, request: Any, **_: Any) -> Any:
        class Answer:
            body = {"kind": "APIGroupDiscoveryList", "items": []}  # noqa: RUF012

        return Answer()


def made(*words: str) -> tuple[Run, Session, Told]:
    told = Told()
    client: Any = _Server()
    session = Session(client, Discovery(client), "shop")
    run = Run(Inputs(no_wait_for=words), {}, Journal("apply", [told]), Redactor())
    return run, session, told


def target(kind: str, name: str, api_version: str = "v1", wait: object = None) -> Target:
    annotations = {} if wait is None else {"annotations": {"k8s-step/wait": wait}}
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **annotations}}
    resource = KNATIVE if api_version.startswith("serving") else required(api_version, kind)
    return Target(Reference(api_version, kind, "shop", name), resource, body)


TARGETS = [
    target("Service", "front"),
    target("Service", "back"),
    target("Service", "lambda", KNATIVE.api_version),
    target("Deployment", "front", "apps/v1"),
]


def names(run: Run, session: Session, targets: list[Target]) -> list[str]:
    return [one.reference.title for one in followed(run, session, targets)]


REST = ["service.serving.knative.dev/lambda", "deployment.apps/front"]


@pytest.mark.parametrize("word", ["service", "svc", "Services", "SERVICE", "v1/services", "services.v1."])
def test_all_of_a_kind(word: str) -> None:
    run, session, told = made(word)
    assert names(run, session, TARGETS) == REST
    assert told.notices == [f"not followed (--no-wait-for {word}): service/front, service/back"]


@pytest.mark.parametrize("word", ["service/front", "svc/front", "v1/services/front"])
def test_one_of_a_kind(word: str) -> None:
    run, session, _ = made(word)
    assert names(run, session, TARGETS) == ["service/back", *REST]


def test_a_kind_of_this_run_and_another_version() -> None:
    run, session, _ = made("ksvc", "deployments.apps", "deployment.v1.apps/none")
    session.discovery.add(KNATIVE)
    assert names(run, session, TARGETS) == ["service/front", "service/back"]


def test_words_that_fit_nothing_are_told_before_anything_is_sent() -> None:
    run, session, told = made("svc/frnt", "svc/front", "ingress")
    announce(run, session, [one.reference for one in TARGETS])
    assert told.notices == [
        "--no-wait-for svc/frnt: nothing in this run is meant by it",
        "--no-wait-for ingress: nothing in this run is meant by it",
    ]


@pytest.mark.parametrize(
    ("word", "words"), [("servic", "no kind 'servic'"), ("svc/", "--no-wait-for svc/: the name is missing")]
)
def test_words_that_mean_nothing(word: str, words: str) -> None:
    run, session, _ = made(word)
    with pytest.raises(InputErrors, match=words):
        announce(run, session, [])


def test_an_annotation_speaks_for_one_object_unless_it_is_asked_for() -> None:
    run, session, told = made()
    quiet, loud = target("Service", "quiet", wait="false"), target("Service", "loud", wait="true")
    assert names(run, session, [quiet, loud]) == ["service/loud"]
    assert told.notices == ['not followed (k8s-step/wait: "false"): service/quiet']
    quiet.is_wanted = True
    loud.is_wanted = False
    assert names(run, session, [quiet, loud]) == ["service/quiet"]


def test_an_annotation_that_cannot_be_read_is_told_and_the_object_followed() -> None:
    run, session, told = made()
    assert names(run, session, [target("Service", "odd", wait="no")]) == ["service/odd"]
    assert told.notices == ['service/shop/odd: ignored: k8s-step/wait: the value is neither "true" nor "false"']


def test_the_result_says_why_and_a_rollback_says_nothing() -> None:
    run, session, told = made("svc")
    assert len(followed(run, session, TARGETS, silent=True)) == 2
    assert told.notices == []
    followed(run, session, TARGETS)
    result: Result = run.journal.finish(ExitCode.SUCCEEDED)
    assert {entry.reference.title: entry.unfollowed for entry in result.objects} == {
        "service/front": "--no-wait-for svc",
        "service/back": "--no-wait-for svc",
    }


def test_many_are_counted() -> None:
    run, session, told = made("cm")
    followed(run, session, [target("ConfigMap", f"c{number}") for number in range(8)])
    names = ", ".join(f"configmap/c{number}" for number in range(5))
    assert told.notices == [f"not followed (--no-wait-for cm): {names} and 3 more"]
