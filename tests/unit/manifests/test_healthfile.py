from __future__ import annotations

from pathlib import Path

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests.healthfile import read

LIST = """\
- apiVersion: shop.acme.com/v1
  kind: Store
  current: status.phase == 'Open'
- apiVersion: till.acme.com/v1
  current: >-
    status.phase == 'Open'
    && has(status.since)
"""


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LIST, 3),
        (f"healthCheckExprs:\n{indented(LIST, 2)}", 4),
        (f"kind: Kustomization\nspec:\n  prune: true\n  healthCheckExprs:\n{indented(LIST, 2)}", 7),
    ],
)
def test_the_list_itself_or_what_holds_it(text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "health.yaml"
    file.write_text(text)
    (first, place), (second, _) = read(str(file))
    assert first["current"] == "status.phase == 'Open'"
    assert place("current") == f"{file}:{line}"
    assert second["current"] == "status.phase == 'Open' && has(status.since)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no health check"),
        ("kind: Kustomization\n", "no list of health checks"),
        ("- just a text\n", "no health check"),
        ("healthCheckExprs: none\n", "no list of health checks"),
    ],
)
def test_what_is_no_such_file(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "health.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read(str(file))
    assert str(caught.value.where).startswith(str(file))
