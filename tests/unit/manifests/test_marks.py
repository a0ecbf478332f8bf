"""Labels and annotations that options put on every object."""

from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests import marks
from k8s_step.manifests.manifest import Manifest


def test_they_go_on_the_object_alone() -> None:
    template = {"metadata": {"labels": {"app": "web"}}}
    obj = {"kind": "Deployment", "metadata": {"name": "web", "labels": {"team": "a"}}, "spec": {"template": template}}
    made = marks.marked(Manifest(obj, "a.yaml", 1), {"team": "b"}, {"x.io/y": "a=b, c"}).object
    assert made["metadata"] == {"name": "web", "labels": {"team": "b"}, "annotations": {"x.io/y": "a=b, c"}}
    assert made["spec"]["template"] == template
    assert obj["metadata"] == {"name": "web", "labels": {"team": "a"}}


def test_how_they_are_written() -> None:
    assert marks.labels_of_options(["team=shop", "x.io/empty="]) == {"team": "shop", "x.io/empty": ""}
    assert marks.annotations_of_options(["note = a=b "]) == {"note": "a=b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("team", "--label: 'team' is not written K=V"),
        ("te am=shop", "--label: 'te am' is no key"),
        ("=shop", "--label: '' is no key"),
        ("team=a b", "--label team: 'a b' is no label's value"),
        (f"team={'a' * 64}", "is no label's value"),
        ("a/b/c=x", "is no key"),
    ],
)
def test_what_the_server_would_refuse(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        marks.labels_of_options([text])
    assert told in str(error.value)


def test_an_annotation_takes_any_value_and_no_wrong_key() -> None:
    with pytest.raises(InputError, match="--annotation: 'a b' is no key"):
        marks.annotations_of_options(["a b=c"])
