"""Asks the server what this token may do: a rules review for each namespace, an access review for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from k8s_step.client import Client, Request
from k8s_step.concurrency import gather
from k8s_step.patch import encode
from k8s_step.permissions import Permission, covers

_API = "authorization.k8s.io/v1"
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def not_granted(client: Client, wanted: Sequence[Permission], concurrency: int, deadline: float) -> list[Permission]:
    """Those of ``wanted`` that the server would refuse, in their order.

    A rules review may be incomplete where not RBAC alone decides: what it does not show is asked for one by one.
    """
    namespaces = list(dict.fromkeys(one.namespace for one in wanted if one.namespace))
    shown = _gathered(namespaces, lambda namespace: _rules(client, namespace, deadline), concurrency)
    open_questions = [one for one in wanted if not covers(shown.get(one.namespace, []), one)]
    answers = _gathered(open_questions, lambda one: _is_allowed(client, one, deadline), concurrency)
    return [one for one in open_questions if not answers[one]]


def _gathered(items: Sequence[_Item], work: Callable[[_Item], _Answer], concurrency: int) -> dict[_Item, _Answer]:
    answers = {}
    for item, result in gather(work, items, concurrency):
        if isinstance(result, Exception):
            raise result
        answers[item] = result
    return answers


def _rules(client: Client, namespace: str, deadline: float) -> list[dict[str, Any]]:
    answer = _review(client, "SelfSubjectRulesReview", {"namespace": namespace}, deadline)
    return list((answer.get("status") or {}).get("resourceRules") or [])


def _is_allowed(client: Client, one: Permission, deadline: float) -> bool:
    resource, _, subresource = one.resource.partition("/")
    attributes = {"namespace": one.namespace, "verb": one.verb, "group": one.group, "name": one.name}
    spec: dict[str, Any] = {
        "resourceAttributes": {**attributes, "resource": resource, "subresource": subresource},
    }
    if one.url:
        spec = {"nonResourceAttributes": {"path": one.url, "verb": one.verb}}
    answer = _review(client, "SelfSubjectAccessReview", spec, deadline)
    return bool((answer.get("status") or {}).get("allowed"))


def _review(client: Client, kind: str, spec: dict[str, Any], deadline: float) -> dict[str, Any]:
    """A review stores nothing, so it may be asked again."""
    body = encode({"apiVersion": _API, "kind": kind, "spec": spec})
    request = Request("POST", f"/apis/{_API}/{kind.lower()}s", (), body, "application/json", where=kind)
    return client.send(request, deadline=deadline).body
