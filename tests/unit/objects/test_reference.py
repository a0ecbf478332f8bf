from __future__ import annotations

import pytest

from k8s_step.objects.reference import NAME_LETTERS, Reference, name_ending

WEB = Reference("apps/v1", "Deployment", "shop", "web", "k8s/web.yaml", 12)
NAMESPACE = Reference("v1", "Namespace", "", "shop")


@pytest.mark.parametrize(
    ("name", "web", "namespace"),
    [
        ("title", "deployment.apps/web", "namespace/shop"),
        ("path", "apps/v1/Deployment/shop/web", "v1/Namespace/shop"),
        ("where", "k8s/web.yaml:12", ""),
        ("key", ("apps", "Deployment", "shop", "web"), ("", "Namespace", "", "shop")),
        ("__str__", "deployment/shop/web", "namespace/shop"),
    ],
)
def test_names(name: str, web: object, namespace: object) -> None:
    told = [getattr(each, name) for each in (WEB, NAMESPACE)]
    assert [each() if callable(each) else each for each in told] == [web, namespace]


def test_versions_of_one_object_have_one_key() -> None:
    assert Reference("apps/v1beta2", "Deployment", "shop", "web").key == WEB.key
    assert Reference("extensions/v1beta1", "Deployment", "shop", "web").key != WEB.key


def test_to_an_object() -> None:
    given = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
    assert Reference.to(given, "k8s/web.yaml", 12) == WEB
    assert Reference.to({"kind": "X", "metadata": None}) == Reference("", "X", "", "")


def test_the_ending_of_a_generated_name_is_no_word() -> None:
    letters = iter((0, 3, 26, 9, 1))
    assert name_ending(lambda text: text[next(letters)]) == "bf9mc"
    assert not set("aeiou013") & set(NAME_LETTERS)
