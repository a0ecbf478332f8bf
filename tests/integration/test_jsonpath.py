"""JSONPath templates beside the real kubectl, which prints the same text for the same object."""

from __future__ import annotations

import json

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.jsonpath.template import Template
from tests.conftest import Kubectl
from tests.integration.jsonpaths import ALONE, IN_ANY_ORDER, REFUSED, TAKEN, THING

_BETWEEN = "\n--------\n"


def printed(kubectl: Kubectl, template: str, *, check: bool = True) -> str | None:
    """What kubectl prints of the object, without asking a server; ``None`` for what it refuses."""
    words = ("label", "--local", "-f", "-", "app=web", "-o", f"jsonpath={template}")
    answer = kubectl(*words, input=json.dumps(THING), check=check)
    return answer.stdout if answer.returncode == 0 else None


def test_the_same_text(kubectl: Kubectl) -> None:
    theirs = printed(kubectl, _BETWEEN.join(TAKEN))
    ours = [Template.parse(each).render(THING) for each in TAKEN]
    assert dict(zip(TAKEN, ours, strict=True)) == dict(zip(TAKEN, str(theirs).split(_BETWEEN), strict=True))


@pytest.mark.parametrize("template", IN_ANY_ORDER)
def test_the_same_values(template: str, kubectl: Kubectl) -> None:
    theirs = str(printed(kubectl, template))
    assert sorted(Template.parse(template).render(THING).split()) == sorted(theirs.split())


@pytest.mark.parametrize("template", ALONE)
def test_a_range_without_an_end(template: str, kubectl: Kubectl) -> None:
    assert Template.parse(template).render(THING) == printed(kubectl, template)


@pytest.mark.parametrize("template", REFUSED)
def test_what_kubectl_refuses_is_refused(template: str, kubectl: Kubectl) -> None:
    assert printed(kubectl, template, check=False) is None
    with pytest.raises(InputError):
        Template.parse(template).render(THING)
