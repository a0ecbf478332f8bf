"""Whose names are those in a shell script."""

from __future__ import annotations

import pytest

from k8s_step.manifests.documents import SourceText, parse
from k8s_step.manifests.templating.shellscripts import own_names


def names(text):
    (document,) = parse(SourceText("web.yaml", text))
    return set().union(*own_names(document.root).values())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A=1; B=2 && C=3", {"A", "B", "C"}),
        ("export A=1\n  local -r B=2", {"A", "B"}),
        ("for A in x; do echo; done", {"A"}),
        ("while read -r A; do echo; done", {"A"}),
        ("x[0]=1; y+=1; z==1", {"x", "y", "z"}),
        ("if [ a = b ]; then echo --flag=1 $C; fi", set()),
        ("(A=1)", {"A"}),
        ("true&&A=1||B=2;C=3", {"A", "B", "C"}),
        ('curl "http://hook/?app=web&TAG=${TAG}" -d "a|b=${b}"', set()),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "/bin/bash", "/busybox/sh"])
def test_a_script_owns_what_it_sets(script, expected, shell):
    assert names(f"command: [{shell}, -c, {script!r}]".replace("\\n", "\n\n  ")) == expected


def test_a_shell_owns_the_environment_of_its_container():
    assert names("command: [sh, -c]\nargs: [x]\nenv: [{name: A, value: b}, {name: C}, 3]\n") == {"A", "C"}


@pytest.mark.parametrize("text", ["command: [app]\nenv: [{name: A}]", "command: sh\nenv: [{name: A}]", "a: A=1", "[]"])
def test_what_is_no_shell_owns_nothing(text):
    assert names(text) == set()
