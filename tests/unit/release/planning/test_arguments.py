"""Words that name objects: every way kubectl takes them, and what is wrong with those it doesn't."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.resource import BUILTIN, Resource
from k8s_step.release.planning.arguments import check_kinds, kinds_alone, parse, words_of

GIZMO = Resource("shop.example", "v1", "Gizmo", "gizmos", True, "gizmo")


class Kinds:
    """A discovery that knows what is built in and one custom kind."""

    def find(self, word: str) -> Resource:
        name = word.rpartition("/")[2].partition(".")[0].lower()
        for resource in (*BUILTIN, GIZMO):
            if name in (resource.plural, resource.singular, *resource.short_names):
                return resource
        raise InputError(f"the server serves no kind {word!r}")


def named(*words: str) -> list[str]:
    kinds: Any = Kinds()
    return [one.reference.path for one in parse(words, kinds, "shop")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("deployment/web",), ["apps/v1/Deployment/shop/web"]),
        (("deploy", "web", "api"), ["apps/v1/Deployment/shop/web", "apps/v1/Deployment/shop/api"]),
        (("deploy web api",), ["apps/v1/Deployment/shop/web", "apps/v1/Deployment/shop/api"]),
        (("deployments.apps/web",), ["apps/v1/Deployment/shop/web"]),
        (("v1/pods/x",), ["v1/Pod/shop/x"]),
        (("v1/pods", "x"), ["v1/Pod/shop/x"]),
        (("apps/v1/deployments/web",), ["apps/v1/Deployment/shop/web"]),
        (("apps/v1/deployments", "web"), ["apps/v1/Deployment/shop/web"]),
        (("gizmo.shop.example/g",), ["shop.example/v1/Gizmo/shop/g"]),
        (("node/n1",), ["v1/Node/n1"]),
        (("deploy/web", "sts/db", "deployment/web"), ["apps/v1/Deployment/shop/web", "apps/v1/StatefulSet/shop/db"]),
    ],
)
def test_objects_are_named_as_with_kubectl(words: tuple[str, ...], expected: list[str]) -> None:
    assert named(*words) == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no object was named (name it as KIND/NAME"),
        (("deploy",), "deploy: this names a kind and no object (which one? deploy/NAME)"),
        (("deploy/",), "deploy/: the name is missing"),
        (("deploy/web", "api"), "api: KIND/NAME and KIND NAME cannot be mixed"),
        (("deploy", "sts/db"), "sts/db: KIND/NAME and KIND NAME cannot be mixed"),
        (("deploy/..",), "deploy/..: '..' is no object's name"),
        (("deploy/a%2fb",), "is no object's name"),
        (("frob/x",), "frob/x: the server serves no kind 'frob'"),
    ],
)
def test_what_is_wrong_with_a_word(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError) as caught:
        named(*words)
    assert told in str(caught.value)


def test_all_wrong_words_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        named("frob/x", "deploy/web", "deploy/")
    assert "frob/x" in str(caught.value) and "deploy/: the name" in str(caught.value)


def test_paths() -> None:
    kinds: Any = Kinds()
    (one,) = parse(["deploy/web"], kinds, "shop")
    assert one._replace(subresource="scale").path == "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    (node,) = parse(["node/n1"], kinds, "shop")
    assert node.path == "/api/v1/nodes/n1"


def test_kinds_that_the_verb_can_do_nothing_with() -> None:
    kinds: Any = Kinds()
    found = parse(["deploy/web", "cm/x"], kinds, "shop")
    with pytest.raises(InputError) as caught:
        check_kinds(found, ("Deployment",), "restarted")
    assert str(caught.value) == "configmap/shop/x: a ConfigMap can't be restarted (Deployment can)"
    check_kinds(found[:1], ("Deployment",), "restarted")


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        (("pods",), ["pods"]),
        (("deploy,svc",), ["deploy", "svc"]),
        (("deploy, svc",), ["deploy", "svc"]),
        (("apps/v1/deployments,v1/pods",), ["apps/v1/deployments", "v1/pods"]),
        (("pods,",), ["pods"]),
        (("pods", "web"), []),
        (("pod/web",), []),
        (("v1/pods/web",), []),
        ((), []),
    ],
)
def test_words_that_name_kinds_and_no_object(given: tuple[str, ...], kinds: list[str]) -> None:
    assert kinds_alone(words_of(given)) == kinds
