"""CONTRIBUTING's map and the folders are the same."""

from __future__ import annotations

import re

from tests.docs.tables import ROOT

PACKAGE = ROOT / "k8s_step"


def test_the_map_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([\w/]+)/`", row)}
    rooms = {str(file.parent.relative_to(PACKAGE)) for file in PACKAGE.rglob("__init__.py")} - {"."}
    assert named == rooms


def test_the_map_names_every_file_at_the_root() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [file.stem for file in PACKAGE.glob("*.py") if f"`{file.stem}`" not in text] == []
