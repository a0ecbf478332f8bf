"""``--image NAME=REF``: registry ports, digests, Docker Hub's short names, and what is refused."""

from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.images import (
    ImageReplacement,
    canonical,
    check_reference,
    containers,
    name_of,
    replace,
    replacements,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4


def pod(*images):
    return {"kind": "Pod", "spec": {"containers": [{"name": str(n), "image": image} for n, image in enumerate(images)]}}


def replaced(image, *texts):
    obj = pod(image)
    replace([obj], replacements(texts))
    return obj["spec"]["containers"][0]["image"]


NAMES = {
    "nginx": "nginx",
    "nginx:1.2": "nginx",
    f"nginx@{DIGEST}": "nginx",
    f"nginx:1.2@{DIGEST}": "nginx",
    "registry:5000/app": "registry:5000/app",
    "registry:5000/app:1.2": "registry:5000/app",
    f"registry:5000/team/app:1.2@{DIGEST}": "registry:5000/team/app",
    "[::1]:5000/app:1": "[::1]:5000/app",
    "localhost/app:latest": "localhost/app",
}


@pytest.mark.parametrize(("image", "name"), NAMES.items())
def test_the_name_is_what_comes_before_tag_and_digest(image, name):
    assert name_of(image) == name


CANONICAL = {
    "nginx": "docker.io/library/nginx",
    "library/nginx": "docker.io/library/nginx",
    "docker.io/nginx": "docker.io/library/nginx",
    "index.docker.io/library/nginx": "docker.io/library/nginx",
    "team/app": "docker.io/team/app",
    "docker.io/team/app": "docker.io/team/app",
    "ghcr.io/app": "ghcr.io/app",
    "localhost/app": "localhost/app",
    "registry:5000/app": "registry:5000/app",
}


@pytest.mark.parametrize(("name", "whole"), CANONICAL.items())
def test_short_names_are_docker_hubs(name, whole):
    assert canonical(name) == whole


REPLACED = [
    ("nginx:1", "nginx=nginx:2", "nginx:2"),
    ("nginx", "nginx=:2", "nginx:2"),
    (f"nginx:1@{DIGEST}", "nginx=:2", "nginx:2"),
    ("nginx:1", f"nginx=@{DIGEST}", f"nginx@{DIGEST}"),
    ("nginx:1", f"nginx=:2@{DIGEST}", f"nginx:2@{DIGEST}"),
    ("registry:5000/app:1", "registry:5000/app=registry:5000/app:2", "registry:5000/app:2"),
    ("registry:5000/app", "registry:5000/app=:2", "registry:5000/app:2"),
    ("registry:5000/app:1", "registry:5000/app=other:5001/x/app", "other:5001/x/app"),
    ("docker.io/library/nginx:1", "nginx=:2", "docker.io/library/nginx:2"),
    ("nginx:1", "docker.io/library/nginx=:2", "nginx:2"),
    ("nginx:1", " nginx = nginx:2 ", "nginx:2"),
]


@pytest.mark.parametrize(("image", "text", "expected"), REPLACED)
def test_an_image_is_replaced_by_name(image, text, expected):
    assert replaced(image, text) == expected


@pytest.mark.parametrize(
    ("image", "name"),
    [("registry:5000/app", "registry"), ("team/nginx", "nginx"), ("ghcr.io/nginx", "nginx"), ("nginx-extra", "nginx")],
)
def test_another_image_is_not_touched_and_an_unmatched_name_is_an_error(image, name):
    with pytest.raises(InputError) as caught:
        replaced(image, f"{name}=:2")
    assert f"no container in the manifests uses an image named {name}" in str(caught.value)


def test_an_unmatched_name_gets_suggestions():
    with pytest.raises(InputError, match=r"did you mean registry:5000/team/web\?"):
        replaced("registry:5000/team/web:1", "web=:2")
    with pytest.raises(InputError, match=r"did you mean frontend\?"):
        replaced("frontend:1", "fronted=:2")
    with pytest.raises(InputError, match=r"there are web"):
        replaced("web:1", "zzz=:2")
    with pytest.raises(InputError, match=r"there are no containers"):
        replace([{"kind": "ConfigMap"}], replacements(["zzz=:2"]))


BAD = {
    "nginx": "NAME=REF",
    "=nginx:1": "NAME=REF",
    "nginx=": "NAME=REF",
    "nginx:1=nginx:2": "write nginx=nginx:2",
    "nginx=Nginx:1": "lower case",
    "Nginx=nginx:1": "lower case",
    "nginx=nginx:": "not an image reference",
    "nginx=nginx:1:2": "not an image reference",
    "nginx=a b": "not an image reference",
    "nginx=nginx:-x": "not an image reference",
    "nginx=nginx@sha256:12": "not an image reference",
    "nginx=https://x/nginx": "not an image reference",
    "nginx=x:5000": None,
    "nginx=/x": "not an image reference",
    "nginx=x//y": "not an image reference",
}


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_bad_replacements(text, message):
    if message is None:
        assert ImageReplacement.parse(text).reference == "x:5000"
        return
    with pytest.raises(InputError) as caught:
        ImageReplacement.parse(text)
    assert message in str(caught.value)
    assert f"--image {text}" in str(caught.value)


def test_all_bad_replacements_are_told_at_once():
    with pytest.raises(InputError) as caught:
        replacements(["a", "b=:1", "b=:2", "docker.io/library/b=:1", "c=:-"])
    assert len(caught.value.errors) == 3
    assert "b is already to become :1" in str(caught.value)


@pytest.mark.parametrize("reference", ["a", "a:1", f"r:5000/a@{DIGEST}", "a.b/c_d/e--f:v1.2_3-x"])
def test_good_references(reference):
    check_reference(reference, "-")


def template(kind, *path):
    spec = {"containers": [{"image": "a"}], "initContainers": [{"image": "b"}], "ephemeralContainers": [{"image": "c"}]}
    obj = spec
    for key in reversed(path):
        obj = {key: obj}
    return {"kind": kind, **obj}


@pytest.mark.parametrize(
    "obj",
    [
        template("Pod", "spec"),
        template("PodTemplate", "template", "spec"),
        *(
            template(kind, "spec", "template", "spec")
            for kind in (
                "Deployment",
                "StatefulSet",
                "DaemonSet",
                "ReplicaSet",
                "ReplicationController",
                "Job",
                "Rollout",
            )
        ),
        template("CronJob", "spec", "jobTemplate", "spec", "template", "spec"),
        template("ScaledJob", "spec", "jobTemplate", "spec", "template", "spec"),
    ],
    ids=lambda obj: obj["kind"],
)
def test_every_container_of_every_kind_with_pods_is_found(obj):
    assert sorted(container["image"] for container in containers(obj)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"kind": "Pod"},
        {"kind": "Pod", "spec": None},
        {"kind": "Deployment", "spec": {"template": []}},
        {"kind": "Pod", "spec": {"containers": {"image": "a"}}},
        {"kind": "Pod", "spec": {"containers": ["a", None]}},
        {"kind": ["Pod"], "spec": {"containers": [{"image": "a"}]}},
    ],
)
def test_malformed_objects_have_no_containers(obj):
    assert list(containers(obj)) == []


def test_a_container_without_an_image_is_left_to_the_server():
    obj = pod("a")
    obj["spec"]["containers"] += [{"name": "none"}, {"image": 3}]
    replace([obj], replacements(["a=b"]))
    assert [container.get("image") for container in obj["spec"]["containers"]] == ["b", None, 3]
