"""Texts by a template: the same whether a List is held whole or printed item by item."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.jsonpath.template import Template, over_items
from k8s_step.objects.resource import required
from k8s_step.report.printers.printer import BROKEN
from k8s_step.report.printers.templates import Templates, Texts, printer

MAPS = required("v1", "ConfigMap")
ITEMS = [
    {"metadata": {"name": name, "labels": labels}, "data": {"empty": ""}, "tags": tags}
    for name, labels, tags in (("a", {}, ["x", "y"]), ("b", {"app": "web"}, []), ("c", {}, ["z"]))
]
BY_ITEM = [
    "{.items[*].metadata.name}",
    "names: {.items[*].metadata.name}{'\\n'}",
    "{.items[*].data.empty}",
    "{.items[*].tags[*]}",
    "{.items[*].missing}",
    "{.items[*]}",
    "{.items[*]..name}",
    '{range .items[*]}{.metadata.name}{"\\t"}{.tags}{"\\n"}{end}',
    'NAME{"\\n"}{range .items[*]}{.metadata.name}{"\\n"}{end}done{"\\n"}',
    "{range .items[*].tags[*]}{@},{end}",
    "{range .items[*]}{.metadata['name','labels']} {end}",
]
WHOLE = [
    "{.kind}",
    "text alone",
    "{.items[0].metadata.name}",
    "{.items[*]['kind','metadata']}",
    "{.items[*].metadata.name}{.items[*].tags}",
    "{range .items[*]}{.metadata.name}",
]


def printed(template: str, items: list[Any], pages: int, *, is_one: bool = False) -> str:
    written: list[str] = []
    made = printer(written.append, lambda item: item, Template.parse(template), is_one=is_one)
    for at in range(pages):
        made.add(MAPS, (), [made.show(MAPS, item) for item in items[at::pages]])
    made.end()
    return "\n".join(written)


@pytest.mark.parametrize("template", [*BY_ITEM, *WHOLE])
@pytest.mark.parametrize("items", [[], ITEMS[:1], ITEMS], ids=len)
def test_the_same_text(items: list[Any], template: str) -> None:
    try:
        whole = Template.parse(template).render({"kind": "List", "apiVersion": "v1", "items": items})
    except Exception as error:
        with pytest.raises(type(error)):
            printed(template, items, 1)
        return
    assert printed(template, items, 1) == whole.removesuffix("\n")


@pytest.mark.parametrize("template", BY_ITEM)
def test_pages(template: str) -> None:
    items = [ITEMS[0], ITEMS[0], ITEMS[0]]
    assert printed(template, items, 3) == printed(template, items, 1)


def test_what_is_held() -> None:
    assert all(over_items(Template.parse(each)) for each in BY_ITEM)
    assert not any(over_items(Template.parse(each)) for each in WHOLE)
    assert isinstance(printer(print, dict, Template.parse(BY_ITEM[0]), is_one=True), Templates)


def test_lines_are_written_as_they_come() -> None:
    written: list[str] = []
    made = printer(written.append, lambda item: item, Template.parse(BY_ITEM[7]), is_one=False)
    assert isinstance(made, Texts)
    made.add(MAPS, (), [made.show(MAPS, item) for item in ITEMS[:2]])
    assert written == ['a\t["x","y"]\nb\t[]']
    assert not made.break_off()
    assert written[1:] == [BROKEN]
