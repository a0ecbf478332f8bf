"""Which words name a parent."""

from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.release.pruning.parent import ParentWord


@pytest.mark.parametrize(
    "text,kind,name",
    [
        ("shop", "secrets", "shop"),
        ("secret/shop", "secret", "shop"),
        ("cm/shop", "cm", "shop"),
        ("applysets.company.com/shop", "applysets.company.com", "shop"),
    ],
)
def test_words(text: str, kind: str, name: str) -> None:
    assert ParentWord.read(text) == (kind, name)


@pytest.mark.parametrize("text", ["", " ", "/", "secret/", "/shop", "secrets/shop/too"])
def test_words_that_name_nothing(text: str) -> None:
    with pytest.raises(InputError, match="names no parent"):
        ParentWord.read(text)


@pytest.mark.parametrize("text", ["namespaces/shop", "ns/shop", "deploy/shop", "crd/shop"])
def test_kinds_that_are_no_parents(text: str) -> None:
    with pytest.raises(InputError, match="can't be the parent of a set"):
        ParentWord.read(text)
