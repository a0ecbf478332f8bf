"""kubectl's note of what it applied last: byte by byte as kubectl writes it."""

from __future__ import annotations

from typing import Any

from k8s_step.objects.ownership.lastapplied import LAST_APPLIED, last_applied, note_of, with_note


def manifest(**fields: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, **fields}


def test_it_is_what_kubectl_writes() -> None:
    """As real kubectl wrote it of the same manifest: sorted, compact, with a namespace, and with Go's escapes."""
    text = note_of(manifest(data={"b": 'ä <&> "', "a": "\u2028"}), "shop")
    wanted = (
        '{"apiVersion":"v1","data":{"a":"\\u2028","b":"ä \\u003c\\u0026\\u003e \\""},"kind":"ConfigMap",'
        '"metadata":{"annotations":{},"name":"a","namespace":"shop"}}\n'
    )
    assert text == wanted


def test_it_is_added_and_read_again() -> None:
    noted = with_note(manifest(data={"a": "1"}), "")
    assert last_applied(noted) == {**manifest(data={"a": "1"}), "metadata": {"annotations": {}, "name": "a"}}
    assert with_note(noted, "") == noted, "what the manifest says itself is left"


def test_it_is_left_out_where_it_is_too_long() -> None:
    large = manifest(data={"a": "ä" * 131_100})
    assert with_note(large, "") == large
    annotations = with_note(manifest(data={"a": "x" * 250_000}), "")["metadata"]["annotations"]
    assert LAST_APPLIED in annotations


def test_what_cannot_be_read_says_nothing() -> None:
    for text in ("", "no json", "[]", "null"):
        assert last_applied({"metadata": {"annotations": {LAST_APPLIED: text}}}) == {}
