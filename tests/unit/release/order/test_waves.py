"""The waves of a plan: by number, by dependencies, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import InputErrors
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, required
from k8s_step.operations.plan import Planned
from k8s_step.release.order.annotations import DEPENDS_ON, WAVE
from k8s_step.release.order.waves import in_waves

WIDGET = Resource("example.com", "v1", "Widget", "widgets", True)


def planned(resource: Resource, name: str, wave: str = "", on: str = "") -> Planned:
    notes = {key: value for key, value in ((WAVE, wave), (DEPENDS_ON, on)) if value}
    namespace = "shop" if resource.namespaced else ""
    reference = Reference(resource.api_version, resource.kind, namespace, name, "shop.yaml", 1)
    return Planned(Address(resource, reference), {"metadata": {"annotations": notes}}, lambda path: len(path))


def settings(name: str, wave: str = "", on: str = "") -> Planned:
    on = ", ".join(f"/namespaces/shop/ConfigMap/{each}" for each in on.split())
    return planned(required("v1", "ConfigMap"), name, wave, on)


def names(waves: list[list[Planned]]) -> list[str]:
    return [" ".join(one.reference.name for one in wave) for wave in waves]


def mistakes(*plan: Planned, **how: Any) -> list[str]:
    with pytest.raises(InputErrors) as caught:
        in_waves(plan, **how)
    return [str(error) for error in caught.value.errors]


def test_without_annotations_there_is_one_wave() -> None:
    assert names(in_waves([settings("a"), settings("b")])) == ["a b"]
    assert in_waves([]) == []


def test_waves_come_in_the_order_of_their_numbers_and_keep_that_of_the_plan() -> None:
    plan = [settings("a", "10"), settings("b", "-1"), settings("c"), settings("d", "2"), settings("e", "0")]
    assert names(in_waves(plan)) == ["b", "c e", "d", "a"]


def test_dependencies_part_a_wave() -> None:
    plan = [settings("a", on="b"), settings("b", on="c"), settings("c"), settings("d", on="c"), settings("e", "-1")]
    assert names(in_waves(plan)) == ["e", "c", "b d", "a"]


def test_a_dependency_in_an_earlier_wave_is_there_anyway() -> None:
    assert names(in_waves([settings("a", "1", on="b"), settings("c", "1"), settings("b")])) == ["b", "a c"]


def test_what_is_in_a_namespace_that_waits_waits_too() -> None:
    namespace = planned(required("v1", "Namespace"), "shop", on="/Namespace/base")
    base = planned(required("v1", "Namespace"), "base")
    assert names(in_waves([settings("a"), namespace, base])) == ["base", "a shop"]


def test_a_custom_resource_waits_as_its_definition_does() -> None:
    crd = planned(
        required("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "widgets.example.com", on="/Namespace/base"
    )
    base = planned(required("v1", "Namespace"), "base")
    assert names(in_waves([planned(WIDGET, "one"), crd, base])) == ["base", "one widgets.example.com"]


def test_a_circle_is_drawn_from_the_object_that_comes_first() -> None:
    (told,) = mistakes(settings("x"), settings("a", on="b"), settings("b", on="c"), settings("c", on="a x"))
    drawn = "configmap/shop/a → configmap/shop/b → configmap/shop/c → configmap/shop/a"
    line = len(f"metadata.annotations.{DEPENDS_ON}")
    assert told.startswith(
        f"shop.yaml:{line}: configmap/shop/a: these wait for one another, so none can begin: {drawn}"
    )


def test_every_circle_is_told() -> None:
    found = mistakes(settings("a", on="a"), settings("b", on="c"), settings("c", on="b"))
    assert sorted(told.split("begin: ")[1].split(" (")[0] for told in found) == [
        "configmap/shop/a → configmap/shop/a",
        "configmap/shop/b → configmap/shop/c → configmap/shop/b",
    ]


def test_a_namespace_can_t_wait_for_what_is_in_it() -> None:
    (told,) = mistakes(settings("a"), planned(required("v1", "Namespace"), "shop", on="/namespaces/shop/ConfigMap/a"))
    assert "namespace/shop → configmap/shop/a → namespace/shop (an object waits for its own namespace" in told


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("/namespaces/other/ConfigMap/b", "did you mean /namespaces/shop/ConfigMap/b?"),
        ("/ConfigMap/b", "did you mean /namespaces/shop/ConfigMap/b?"),
        ("/namespaces/shop/configmap/b", "did you mean /namespaces/shop/ConfigMap/b?"),
        ("/namespaces/shop/ConfigMap/c", "put it into the release, or drop it here"),
    ],
)
def test_what_is_not_part_of_the_release_can_t_be_waited_for(written: str, hint: str) -> None:
    one = planned(required("v1", "ConfigMap"), "a", on=written)
    (told,) = mistakes(one, settings("b"))
    assert f"{written}, which it depends on, is not part of this release ({hint})" in told
    assert names(in_waves([one, settings("b")], is_whole=False)) == ["a b"], "a deletion need not be whole"


def test_what_it_depends_on_can_t_come_later() -> None:
    (told,) = mistakes(settings("a", on="b"), settings("b", "1"))
    assert "what it depends on, configmap/shop/b, comes only in wave 1, and this object in wave 0" in told


def test_its_namespace_can_t_come_later() -> None:
    (told,) = mistakes(settings("a", "-1"), planned(required("v1", "Namespace"), "shop"))
    assert "its namespace, namespace/shop, comes only in wave 0, and this object in wave -1" in told
    assert told.startswith(f"shop.yaml:{len(f'metadata.annotations.{WAVE}')}: ")


@given(st.lists(st.tuples(st.integers(-3, 3), st.sets(st.integers(0, 9))), max_size=10))
def test_every_object_comes_once_and_after_all_that_it_waits_for(shape: list[tuple[int, set[int]]]) -> None:
    """Dependencies point at what has a lower number, and no later wave, so that there is an order."""
    needs = {
        number: [f"n{other}" for other in others if other < number and shape[other][0] <= wave]
        for number, (wave, others) in enumerate(shape)
    }
    plan = [settings(f"n{number}", str(shape[number][0]), " ".join(needs[number])) for number in needs]
    waves = [wave.split() for wave in names(in_waves(plan))]
    place = {name: index for index, wave in enumerate(waves) for name in wave}
    assert sorted(name for wave in waves for name in wave) == sorted(f"n{number}" for number in needs)
    assert all(place[other] < place[f"n{number}"] for number, others in needs.items() for other in others)
    numbers = [shape[int(wave[0][1:])][0] for wave in waves]
    assert numbers == sorted(numbers) and all(waves)
