"""One patch as it was written: its form checked, its lines known, nothing in it changed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.patchfile import Patch, read, secrets_of
from k8s_step.manifests.templating.templates import Values
from k8s_step.objects.body import PatchType, encode

DIRECTIVES = """\
metadata:
  $deleteFromPrimitiveList/finalizers: [a/b]
  $setElementOrder/finalizers: [c/d]
  labels: null
spec:
  strategy: {$retainKeys: [type], type: Recreate}
  template:
    spec:
      $setElementOrder/containers: [{name: b}, {name: a}]
      nodeSelector: {$patch: replace, disk: ssd}
      affinity: {$patch: delete}
      containers:
      - {$patch: merge, name: a}
      - name: ${NAME}
        image: $NAME and $(NAME) and $${NAME}
"""


def text(content: str, patch_type: PatchType = PatchType.STRATEGIC, **variables: str) -> Patch:
    return read(patch_type, None, content, Values(variables=variables), io.StringIO())


def test_a_patch_without_values_is_no_template() -> None:
    patch = read(PatchType.MERGE, None, "{data: {x: '${job:raw} $${A}'}}", None, io.StringIO())
    assert patch.body == {"data": {"x": "${job:raw} $${A}"}}


def test_directives_and_nulls_pass_untouched() -> None:
    patch = text(DIRECTIVES, NAME="b")
    assert patch.body == {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["a/b"],
            "$setElementOrder/finalizers": ["c/d"],
            "labels": None,
        },
        "spec": {
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                    "nodeSelector": {"$patch": "replace", "disk": "ssd"},
                    "affinity": {"$patch": "delete"},
                    "containers": [
                        {"$patch": "merge", "name": "a"},
                        {"name": "b", "image": "$NAME and $(NAME) and ${NAME}"},
                    ],
                }
            },
        },
    }
    assert b'"labels":null' in encode(patch.body)


def test_a_file_stdin_and_text_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "patch.yaml"
    path.write_text("spec: {replicas: '${N}', free: ${N}}")
    values = Values(variables={"N": "3"})
    from_file = read(PatchType.MERGE, str(path), None, values, io.StringIO())
    from_stdin = read(PatchType.MERGE, "-", None, values, io.StringIO(path.read_text()))
    assert from_file.body == from_stdin.body == {"spec": {"replicas": "3", "free": 3}}
    assert (from_file.file, from_stdin.file) == (str(path), "stdin")


def test_a_jinja_template(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    path = tmp_path / "patch.json.j2"
    path.write_text(
        '[{% for n in [1, 2] %}{"op": "remove", "path": "/a/{{ n }}"}{% if n < 2 %},{% endif %}{% endfor %}]'
    )
    patch = read(PatchType.JSON, str(path), None, Values(), io.StringIO())
    assert [operation["path"] for operation in patch.body] == ["/a/1", "/a/2"]


@pytest.mark.parametrize(
    ("content", "patch_type", "told"),
    [
        ("", PatchType.MERGE, "the patch is empty"),
        ("a: 1\n---\nb: 2", PatchType.MERGE, "the patch holds 2 documents"),
        ("just text", PatchType.APPLY, "the patch is a single value, not a mapping"),
        ("- op: remove", PatchType.STRATEGIC, "the patch is a list, not a mapping (a list of operations is sent with"),
        ("spec: {}", PatchType.JSON, "a JSON patch is a list of operations (a mapping is sent with"),
        ("a:\n  b:\n  - $patch: frob", PatchType.STRATEGIC, "--patch:3: $patch is 'frob': there are replace, delete"),
        ("a:\n  $retainKeys: x", PatchType.STRATEGIC, "--patch:2: $retainKeys takes a list"),
        ("$setElementOrder/x: {}", PatchType.STRATEGIC, "--patch:1: $setElementOrder/x takes a list"),
        ("$deleteFromPrimitiveList/x: 1", PatchType.STRATEGIC, "--patch:1: $deleteFromPrimitiveList/x takes a list"),
        ("spec: {}\nmetadata: text", PatchType.APPLY, "--patch:2: metadata is no mapping"),
        ("metadata: [a]", PatchType.MERGE, "--patch:1: metadata is no mapping"),
        ("metadata: 1", PatchType.STRATEGIC, "--patch:1: metadata is no mapping"),
        ("a: ${B}", PatchType.MERGE, "--patch:1: B has no value"),
        ("- {op: add, path: /a, value: 1}\n- {op: add, path: /a}", PatchType.JSON, "--patch:2: operation [1]"),
    ],
)
def test_mistakes_have_a_place(content: str, patch_type: PatchType, told: str) -> None:
    with pytest.raises(InputError) as caught:
        text(content, patch_type)
    assert told in str(caught.value)


@pytest.mark.parametrize("value", ["*hunter2", "{hunter2: a, hunter2: b}", "hunter2: x: y"])
def test_an_options_text_is_not_quoted_since_a_shell_may_have_filled_it_in(value: str) -> None:
    with pytest.raises(InputError) as caught:
        text(f"stringData:\n  PASSWORD: {value}\n")
    assert str(caught.value).startswith("--patch:2: ") and "hunter2" not in str(caught.value)


def test_directives_are_no_business_of_other_types() -> None:
    assert text("$patch: frob", PatchType.MERGE).body == {"$patch": "frob"}


@pytest.mark.parametrize(
    ("patch_type", "content", "field", "line"),
    [
        (PatchType.MERGE, "spec:\n  replicas: 1\n  paused: 2", "spec.paused", 3),
        (PatchType.MERGE, "spec:\n  replicas: 1", "status", 1),
        (PatchType.STRATEGIC, "spec:\n  containers:\n  - name: a\n  - name: b", "spec.containers[1].name", 2),
        (PatchType.APPLY, "spec:\n  containers:\n  - name: a\n  - name: b", "spec.containers[1].name", 4),
        (PatchType.JSON, "- {op: remove, path: /a}\n- {op: add, path: /spec/x, value: 1}", "spec.x", 2),
        (PatchType.JSON, "- {op: remove, path: /a}\n- {op: add, path: /spec/x/0, value: 1}", "spec.x", 2),
        (PatchType.JSON, "- {op: remove, path: /a}\n- {op: add, path: /b, value: 1}", "spec.x", 1),
    ],
)
def test_lines_of_fields_as_the_server_names_them(patch_type: PatchType, content: str, field: str, line: int) -> None:
    assert text(content, patch_type).line_of(field) == line


@pytest.mark.parametrize("patch_type", [PatchType.MERGE, PatchType.JSON])
def test_a_patch_made_of_options_has_no_line(patch_type: PatchType) -> None:
    made = Patch(patch_type, [{"op": "remove", "path": "/a"}] if patch_type is PatchType.JSON else {"a": 1})
    assert (made.line_of("a"), made.line_of_operation(0), made.file) == (0, 0, "")


@pytest.mark.parametrize(
    ("patch_type", "content"),
    [
        (PatchType.MERGE, "stringData: {password: hunter2}"),
        (PatchType.STRATEGIC, "data: {password: aHVudGVyMg==}"),
        (PatchType.JSON, "- {op: add, path: /stringData/password, value: hunter2}"),
        (PatchType.JSON, "- {op: add, path: /data, value: {password: aHVudGVyMg==}}"),
        (PatchType.JSON, "- {op: test, path: /data/password, value: aHVudGVyMg==}\n- {op: remove, path: /data}"),
        (
            PatchType.JSON,
            "- {op: test, path: /data/p, value: aHVudGVyMg==}\n- {op: replace, path: /data/p, value: bmV3}",
        ),
    ],
)
def test_the_values_of_a_secret_are_found_before_anything_is_said(patch_type: PatchType, content: str) -> None:
    patch: Any = text(content, patch_type)
    assert "hunter2" in [value.text for value in secrets_of(patch)]
    assert "hunter2" not in repr(patch)
