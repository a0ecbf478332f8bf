"""Links between README, docs and the other files here: each file is there, each heading too, each page is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.tables import PAGES, README, ROOT

_LINK = re.compile(r"\]\(([^)\s]+)\)")
DOCUMENTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def _prose(path: Path) -> str:
    """The text without code, in which ``](`` is no link and ``#`` no heading."""
    return re.sub(r"(?ms)^```.*?^```$|`[^`\n]*`(?!\])", "", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    return [link for link in _LINK.findall(_prose(path)) if not link.startswith(("https://", "http://"))]


def anchors(path: Path) -> set[str]:
    """The headings as GitHub names them: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8"))
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{path.name}: {link} is none of {sorted(anchors(target))}"


def test_every_page_is_found_from_the_readme() -> None:
    there = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert [path.name for path in PAGES if path != README and path not in there] == []


def test_the_test_of_links_sees_headings_as_github_does(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# `helm upgrade --wait`\n## Azure/k8s-deploy\n```sh\n# no heading [x](y)\n```\n[a](#b) `[c](d)`\n")
    assert anchors(page) == {"helm-upgrade---wait", "azurek8s-deploy"}
    assert links(page) == ["#b"]
