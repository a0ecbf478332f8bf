"""Helm's hooks: which objects are, which are taken in, and what is said of the others."""

from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.foreign.hooks import check_events, parted, summary
from k8s_step.manifests.manifest import Manifest


def manifest(name: str, hook: object = None, kind: str = "Job") -> Manifest:
    annotations = {} if hook is None else {"annotations": {"helm.sh/hook": hook}}
    return Manifest({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **annotations}}, "web.yaml", 1)


def names(manifests: list[Manifest]) -> list[str]:
    return [one.name for one in manifests]


RELEASE = [
    manifest("web", kind="Deployment"),
    manifest("migrate", "pre-install,pre-upgrade"),
    manifest("try", "test", kind="Pod"),
    manifest("old-try", "test-success", kind="Pod"),
    manifest("crds", "crd-install", kind="CustomResourceDefinition"),
    manifest("farewell", " Post-Delete "),
    manifest("someday", "post-render"),
    manifest("none", ""),
]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ([], ["web", "crds", "none"]),
        (["test"], ["web", "try", "crds", "none"]),
        (["pre-upgrade"], ["web", "migrate", "crds", "none"]),
        (["Post-Delete", "test-success"], ["web", "old-try", "crds", "farewell", "none"]),
        (["all"], names(RELEASE)),
    ],
)
def test_hooks_are_left_out_unless_their_event_is_wanted(wanted: list[str], kept: list[str]) -> None:
    found, left_out = parted(RELEASE, wanted)
    assert names(found) == kept
    assert sorted(names(found) + names(left_out)) == sorted(names(RELEASE))


def test_one_line_counts_and_names_them() -> None:
    line = summary(parted(RELEASE, [])[1])
    assert line == (
        "5 Helm hooks are left out: job/migrate (pre-install, pre-upgrade), pod/try (test), "
        "pod/old-try (test-success), job/farewell (post-delete), job/someday (post-render); "
        "--helm-hooks pre-install takes such in, like any other object"
    )
    assert summary([manifest("try", "test")]).startswith("1 Helm hook is left out: job/try (test); --helm-hooks test")
    assert ", job/h4 (test), 3 more; " in summary([manifest(f"h{number}", "test") for number in range(8)])


def test_nothing_but_hooks_is_an_error() -> None:
    with pytest.raises(InputError, match=r"web.yaml:1: nothing but Helm hooks: job/migrate .*--helm-hooks pre-install"):
        parted([manifest("migrate", "pre-install")], ["test"])


def test_an_annotation_that_is_no_text_makes_no_hook() -> None:
    assert parted([manifest("web", 3)], [])[1] == []


def test_an_unknown_event_is_an_error() -> None:
    check_events(["pre-install", "ALL", "Test"])
    with pytest.raises(InputError, match=r"--helm-hooks: 'preinstall' is no event of Helm's .there are pre-install, "):
        check_events(["test", "preinstall"])
