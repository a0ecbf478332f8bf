"""``*.j2`` manifests: strict, sandboxed, quoted safely, with the template's lines in errors."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import InputError
from k8s_step.manifests.documents import parse
from k8s_step.manifests.templating import jinja
from k8s_step.manifests.templating.templates import Values

VALUES = Values({"A": "a", "COLON": "x: y # z"}, environment={"K8S_TOKEN": "hunter2", "B": "b"})


def render(text, file="web.yaml.j2", values=VALUES):
    return jinja.render(str(file), text, values)


def failure(text, file="web.yaml.j2"):
    with pytest.raises(InputError) as caught:
        render(text, file)
    return str(caught.value)


def test_values_loops_and_defaults():
    text = "{% for n in [1, 2] %}\n- {{ A }}{{ n }}\n{% endfor %}\n- {{ NONE | default('d') }}\n- {{ B }}\n"
    assert render(text).text == "- a1\n- a2\n- d\n- b\n"


def test_each_line_knows_the_line_of_the_template_it_came_from():
    text = "# {{ A }}\n{% for n in [1, 2] %}\na{{ n }}: 1\n\nb{{ n }}: {{ n }}\n{% endfor %}\nlast: 1\n"
    source = render(text)
    lines = source.text.splitlines()
    assert [source.line(lines.index(line) + 1) for line in ("a1: 1", "b1: 1", "a2: 1", "b2: 2", "last: 1")] == [
        *(3, 5, 3, 5),
        7,
    ]


def test_a_mistake_in_what_comes_out_is_told_with_the_templates_line():
    with pytest.raises(InputError, match=r"web.yaml.j2:4: mapping values"):
        parse(render("{% if true %}\n\n{% endif %}\na: {{ COLON }}\n"))


SECRET = "Xk29-hunter2"


@pytest.mark.parametrize(
    "written",
    [
        f"*{SECRET}",
        f"&{SECRET} [*{SECRET}]",
        f"a\n{SECRET}: 1\n{SECRET}: 2",
        f"@{SECRET}",
        f"[{SECRET}",
        f"{SECRET}: x",
    ],
)
def test_a_secret_that_yaml_takes_for_something_else_is_not_quoted(written):
    source = render("kind: Secret\nPASSWORD: {{ PASSWORD }}\n", values=Values({"PASSWORD": written}))
    with pytest.raises(InputError) as caught:
        [document.build() for document in parse(source)]
    assert str(caught.value).startswith("web.yaml.j2:2: ") and SECRET not in str(caught.value)


def test_a_secret_that_begins_an_alias_gets_advice():
    with pytest.raises(InputError, match=r"^web.yaml.j2:1: an unquoted \* .*\{\{ NAME \| quote \}\}"):
        parse(render("p: {{ PASSWORD }}\n", values=Values({"PASSWORD": f"*{SECRET}"})))


def test_dollar_expressions_are_left_alone():
    assert render("a: ${A} {{ '${A}' }}\n").text == "a: ${A} ${A}\n"


MISTAKES = {
    "a: 1\nb: {{ NONE }}\n": "web.yaml.j2:2: NONE has no value",
    "a: {{ COLOM }}\n": "did you mean COLON?",
    "a: {{ A.b }}\n": "web.yaml.j2:1: ",
    "\n{% if %}\n": "web.yaml.j2:2: ",
    "a\n{% for x in y %}\n": "web.yaml.j2:2: ",
    "a: {{ A | nope }}\n": "web.yaml.j2:1: No filter named 'nope'",
    "\n\n{{ A.__class__.__mro__ }}": "web.yaml.j2:3: ",
    "\n{{ 1 / 0 }}": "web.yaml.j2:2: the template fails with ZeroDivisionError",
    "\n{% include 'none.txt' %}": "web.yaml.j2:2: none.txt is not in the template's folder",
    "\n{% include '../secret.txt' %}": "web.yaml.j2:2: ../secret.txt is not in the template's folder",
    "\n{% include '/etc/passwd' %}": "web.yaml.j2:2: ",
    "\n{{ HOSTNAME }}": "web.yaml.j2:2: HOSTNAME has no value: a shell or a CI runner sets it for itself",
    "{{ RAW }}": "put it between {% raw %} and {% endraw %}, or give --no-template",
    "{{ K8S_TOKEN }}": "K8S_TOKEN holds the step's own credentials",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items())
def test_a_mistake_is_told_with_file_and_line(text, message):
    told = failure(text)
    assert message in told
    assert "hunter2" not in told


def test_includes_come_from_the_templates_folder_and_keep_their_own_lines(tmp_path):
    (tmp_path / "part.txt").write_text("b: {{ A }}\n")
    (tmp_path / "bad.txt").write_text("\n\n{{ NONE }}")
    file = tmp_path / "web.yaml.j2"
    assert render("a: 1\n{% include 'part.txt' %}\n", file).text == "a: 1\nb: a\n"
    assert f"{tmp_path / 'bad.txt'}:3: NONE has no value" in failure("{% include 'bad.txt' %}", file)


@given(st.text(st.characters(codec="utf-8")))
def test_quote_keeps_any_value_one_scalar(value):
    source = render(
        "{% set x = V %}\na: {{ V | quote }}\nb: {{ [V, 1] | to_yaml }}\nc: 1\n", values=Values({"V": value})
    )
    assert [document.build() for document in parse(source)] == [{"a": value, "b": [value, 1], "c": 1}]


@pytest.mark.parametrize("name", ["tojson", "to_json", "to_yaml"])
def test_values_come_out_as_json(name):
    text = "{{ {'a': [1, true, none, 'é\"😀']} | " + name + " }}"
    assert json.loads(render(text).text) == {"a": [1, True, None, 'é"😀']}


def test_base64_for_secrets():
    assert render("{{ 'é' | b64encode }}").text == "w6k="


def test_without_jinja_the_error_says_what_to_install(tmp_path):
    file = tmp_path / "a.yaml.j2"
    file.write_text("a: 1")
    program = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from k8s_step.manifests.files import Sources\nfrom k8s_step.manifests.manifest import load\n"
        "from k8s_step.manifests.templating.templates import Values\n"
        f"load(Sources([{str(file)!r}]), Values())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'k8s-step[jinja]'" in run.stderr


def test_jinja_is_not_imported_for_other_files(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    program = (
        "import sys\nfrom k8s_step.manifests.files import Sources\nfrom k8s_step.manifests.manifest import load\n"
        "from k8s_step.manifests.templating.templates import Values\n"
        f"load(Sources([{str(file)!r}]), Values())\nprint('jinja2' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
