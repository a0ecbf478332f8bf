"""Templates read and rendered, and how their errors are worded. The integration tests hold them beside kubectl."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import InputError
from k8s_step.objects.jsonpath.template import Template, field

POD = {
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "shop"}},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "False"}],
        "phase": "Running",
    },
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.metadata.name}", "web"),
        ("{.metadata.labels.app\\.kubernetes\\.io/name}", "shop"),
        ("{.metadata.labels['app\\.kubernetes\\.io/name']}", "shop"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.conditions[*].type}", "Ready Initialized"),
        ("{.status.conditions[-1].type}", "Initialized"),
        ("{..type}", "Ready Initialized"),
        ('{range .status.conditions[*]}{.type}={.status}{"\\n"}{end}', "Ready=True\nInitialized=False\n"),
        ("phase {.status.phase}, {.status.missing}.", "phase Running, ."),
        ("{.metadata}", '{"labels":{"app.kubernetes.io/name":"shop"},"name":"web"}'),
        ('{.status.conditions[?(@.type=="a || (b)]")]}', ""),
    ],
)
def test_rendered(template: str, text: str) -> None:
    assert Template.parse(template).render(POD) == text


def test_values_in_their_own_types() -> None:
    found = Template.parse("{.a}{.b[*]}").values({"a": 1, "b": [None, {"c": True}]})
    assert found == [1, None, {"c": True}]


def test_a_missing_field_may_be_an_error() -> None:
    template = Template.parse("{.spec.replicas}", "--until")
    assert template.values({"spec": {}}) == []
    with pytest.raises(InputError, match=r"--until: .* replicas is not found"):
        template.values({"spec": {}}, allow_missing=False)


def test_an_empty_list_ends_nothing() -> None:
    """Where kubectl's own loses what comes after it."""
    rows = [{"tags": ["x"]}, {"tags": []}, {"tags": ["y"]}]
    assert Template.parse("{.rows[*].tags[*]}").values({"rows": rows}) == ["x", "y"]


def test_an_index_out_of_bounds_does_not_exist() -> None:
    """Where kubectl's own takes it for existing."""
    assert Template.parse("{.rows[?(@.tags[5])]}").values({"rows": [{"tags": ["x"]}]}) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{metadata.name}", "a field is .metadata"),
        ('{.a["b"]}', r"single quotes: \['b'\]"),
        ("{.a[?(@.b==1 && @.c==2)]}", "one comparison a filter"),
        ("{.a[?(@.b==Ready)]}", 'a text "Ready"'),
        ("{.a", "not closed on its line"),
        ("{end}", "without a {range"),
        (f"{{.a[{'9' * 5000}]}}", "is no index"),
    ],
)
def test_a_malformed_template(template: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Template.parse(template, "--output")
    assert caught.value.where == "--output"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}"])
def test_a_path_in_its_relaxed_forms(path: str) -> None:
    assert field(path).values(POD) == ["web"]


@pytest.mark.parametrize("path", ["", "{.a}{.b}", "{.a", "a}"])
def test_what_is_no_single_path(path: str) -> None:
    with pytest.raises(InputError, match="is no path to a field"):
        field(path, "--sort-by")


@given(st.text(alphabet="{}[]().@$*?:,'\"\\ab01-+=!<> \nrange", max_size=30), st.sampled_from([POD, [], None, "x", 1]))
def test_any_text_is_rendered_or_refused(text: str, data: object) -> None:
    try:
        Template.parse(text).render(data)
    except InputError as error:
        assert str(error)
