"""Lists as JSON and YAML, written as they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from k8s_step.objects.resource import required
from k8s_step.report.printers.documents import JSON, YAML, Documents, Syntax

MAPS = required("v1", "ConfigMap")
ITEMS = [{"metadata": {"name": name}, "data": {"text": "a\n\n  b\n", "empty": ""}} for name in "abc"]
SYNTAXES = [pytest.param(JSON, id="json"), pytest.param(YAML, id="yaml")]


def printed(syntax: Syntax, *pages: Sequence[Any], is_one: bool = False, breaks_off: bool = False) -> str:
    written: list[str] = []
    printer = Documents(written.append, lambda item: item, syntax, is_one=is_one)
    for page in pages:
        printer.add(MAPS, (), [printer.show(MAPS, item) for item in page])
    if breaks_off:
        assert not printer.break_off()
    else:
        printer.end()
    return "".join(f"{text}\n" for text in written)


@pytest.mark.parametrize("pages", [([],), ([], ITEMS), (ITEMS[:1], [], ITEMS[1:]), (ITEMS * 100,)])
def test_a_list(pages: Sequence[Sequence[Any]]) -> None:
    items = [item for page in pages for item in page]
    whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    assert printed(JSON, *pages) == json.dumps(whole, indent=4, sort_keys=True) + "\n"
    assert yaml.safe_load(printed(YAML, *pages)) == whole


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_object(syntax: Syntax) -> None:
    assert yaml.safe_load(printed(syntax, ITEMS[:1], is_one=True)) == ITEMS[0]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("page", [ITEMS[:1], ITEMS])
def test_what_breaks_off_is_no_answer(page: Sequence[Any], syntax: Syntax) -> None:
    text = printed(syntax, page, breaks_off=True)
    assert "incomplete" in text
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)
