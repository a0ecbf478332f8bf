"""``${NAME}`` on parsed scalars: values keep a document's shape, whatever is in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from k8s_step.errors import InputError
from k8s_step.manifests.documents import EventParser, PureParser, SourceText, parse
from k8s_step.manifests.scalars import ScalarError, resolve
from k8s_step.manifests.templating.templates import CREDENTIALS, Template, Values, check_annotation, substitute

GIVEN = {"A": "a", "N": "3", "EMPTY": "", "SPACED": "a: b # c", "F": "no", "NESTED": "${A}", "NL": "x\n---\ny: z"}


def render(text, values=GIVEN, file="web.yaml", parser=EventParser):
    given = values if isinstance(values, Values) else Values(values)
    return [document.build(Template(document.root, given)) for document in parse(SourceText(file, text), parser)]


def failure(text, values=GIVEN, file="web.yaml"):
    with pytest.raises(InputError) as caught:
        render(text, values, file)
    return str(caught.value)


TEXTS = {
    "${A}": "a",
    "${A}-${N}": "a-3",
    "$A $(A) $ $$ {A} %{A}": "$A $(A) $ $$ {A} %{A}",
    "$${A}": "${A}",
    "$$${A}": "$${A}",
    "$${A} ${A} $${not closed": "${A} a ${not closed",
    "${A}$${A}": "a${A}",
    "${NONE:-d}": "d",
    "${EMPTY:-d}": "d",
    "${EMPTY}": "",
    "${A:-d}": "a",
    "${NONE:-}": "",
    "${NONE:-a b: c # d}": "a b: c # d",
    '${NONE:-{"a": {"b": 1}}}!': '{"a": {"b": 1}}!',
    "${NONE:-${A}}": "a",
    "${NONE:-x${NONE:-${N}}y}": "x3y",
    "${NONE:-$${A}}": "${A}",
    "${A:-${NOT_NEEDED}}": "a",
    "${A:?must be there}": "a",
    "${NESTED}": "${A}",
    "${_x1:-ok}": "ok",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_expressions(text, expected):
    assert substitute(text, Values(GIVEN)) == expected


FAILURES = {
    "${NONE}": "NONE has no value",
    "${}": "${…} is malformed",
    "${1}": "${1…} is malformed",
    "${A-b}": "${A…} is malformed",
    "${A:+b}": "${A…} is malformed",
    "${A%b}": "${A…} is malformed",
    "${ A }": "${…} is malformed",
    "${a-b}": "${a…} is malformed",
    "${É}": "is malformed",
    "${{ github.sha }}": "GitHub's own syntax",
    "${DS_PROMETHEUS}": "DS_PROMETHEUS has no value",
    "${job:raw}": "${job…} is malformed",
    "${TAG[0]}": "${TAG…} is malformed",
    "${A": "not closed",
    "${A:-{}": "not closed",
    "${A\n}": "not closed",
    "${NONE:?ask the platform team}": "NONE: ask the platform team",
    "${EMPTY:?}": "EMPTY must be set, and not be empty",
    "${NONE:-${ALSO_NONE}}": "ALSO_NONE has no value",
    "${N:-" * 20 + "}" * 20: None,
    "${NONE:-" * 20 + "}" * 20: "nested deeper than",
}


@pytest.mark.parametrize(("text", "message"), FAILURES.items())
def test_bad_expressions(text, message):
    if message is None:
        assert substitute(text, Values(GIVEN)) == "3"
        return
    with pytest.raises(InputError) as caught:
        substitute(text, Values(GIVEN))
    assert message in str(caught.value)


WITHOUT_ADVICE = ("${NONE:?", "${EMPTY:?", "${NONE:-" * 20)


@pytest.mark.parametrize("text", [text for text in FAILURES if FAILURES[text] and not text.startswith(WITHOUT_ADVICE)])
def test_every_complaint_names_the_ways_to_mean_it_literally(text):
    with pytest.raises(InputError) as caught:
        substitute(text, Values(GIVEN))
    for way in ("write $${", 'k8s-step/template: "false"', "--no-template"):
        assert way in str(caught.value)


def test_a_malformed_expression_does_not_repeat_its_default():
    assert "hunter2" not in failure("a: ${PASSWORD:=hunter2}\n")


SHAPES = {
    "a: ${N}\n": {"a": 3},
    "a: '${N}'\n": {"a": "3"},
    'a: "${N}"\n': {"a": "3"},
    "a: |-\n  ${N}\n": {"a": "3"},
    "a: v${N}\n": {"a": "v3"},
    "a: 1${N}\n": {"a": 13},
    "a: ${F}\nb: '${F}'\n": {"a": False, "b": "no"},
    "a: ${EMPTY}\nb: '${EMPTY}'\n": {"a": None, "b": ""},
    "a: !!str ${N}\n": {"a": "3"},
    "a: $${N}\n": {"a": "${N}"},
    "a: ${SPACED}\nb: x${NL}\n": {"a": "a: b # c", "b": "xx\n---\ny: z"},
    "{a: ${N}, b: [${N}, ${A}], c: {d: ${A}-x, e: ${N:-{}}}}\n": {
        "a": 3,
        "b": [3, "a"],
        "c": {"d": "a-x", "e": 3},
    },
    "{a: $${N}, b: '${N}'}\n": {"a": "${N}", "b": "3"},
    "a: ${NONE:-x: y}\n": {"a": "x: y"},
    "a: ${NONE:-x #y} # a comment with ${NONE}\n": {"a": "x #y"},
    'a: ${NONE:-"x"}\n': {"a": '"x"'},
    'args: ["--x", ${NONE:-a, b}, --y=${N}]\n': {"args": ["--x", "a, b", "--y=3"]},
    "a: &a ${N}\nb: *a\n": {"a": 3, "b": 3},
    "${A}: 1\n'${N}': 2\n": {"a": 1, "3": 2},
    "${F}: 1\n": {"no": 1},
    '{"a": ${N}, "b": "${N}", "c": [${A}], "d": "${SPACED}"}': {"a": 3, "b": "3", "c": ["a"], "d": "a: b # c"},
    '{"a": ${NONE:-{"b": 1}}}': {"a": '{"b": 1}'},
}


@pytest.mark.parametrize("parser", [EventParser, PureParser])
@pytest.mark.parametrize(("text", "expected"), SHAPES.items())
def test_a_value_takes_the_place_of_a_scalar_and_nothing_more(text, expected, parser):
    assert json.dumps(render(text, parser=parser)) == json.dumps([expected])


def test_every_mistake_is_told_with_its_own_line():
    text = "a: ${ONE}\nb: |\n  x\n  ${TWO}\n\n  ${A} ${THREE-x}\nc: &c ${FOUR}\nd: *c\n---\ne: 'x\n\n  ${FIVE}'\n"
    (first, second) = parse(SourceText("web.yaml", text))
    lines = []
    for document in (first, second):
        with pytest.raises(InputError) as caught:
            document.build(Template(document.root, Values(GIVEN)))
        lines += [str(error).split(" ")[0] for error in caught.value.errors]
    assert lines == ["web.yaml:1:", "web.yaml:4:", "web.yaml:6:", "web.yaml:7:", "web.yaml:12:"]


def test_keys_that_become_equal_are_an_error():
    assert "web.yaml:2: the key that ${…} gives is already there, in line 1" in failure("a: 1\n${A}: 2\n")


def test_a_substituted_number_that_json_lacks_is_an_error():
    assert "web.yaml:1: infinity" in failure("a: ${X}\n", {"X": ".inf"})


def test_an_expression_that_yaml_cannot_read_gets_advice():
    assert "in quotes" in failure("a: {b: ${A: c}\n")


values = st.text(st.characters(codec="utf-8"))


@given(values)
def test_a_quoted_value_round_trips_whatever_is_in_it(value):
    text = "a: '${V}'\nb: \"x${V}\"\nc: |-\n  ${V}\nd: [\"${V}\", {e: '${V}'}]\nf: last\n"
    expected = {"a": value, "b": f"x{value}", "c": value, "d": [value, {"e": value}], "f": "last"}
    assert render(text, {"V": value}) == [expected]


@given(values)
def test_an_unquoted_value_is_one_scalar_of_kubectls_kind(value):
    try:
        scalar = resolve(value)
    except ScalarError:
        assume(False)
    assert render("{a: ${V}, b: [${V}], c: x${V}}\n---\nd: ${V}\n", {"V": value})[1] == {"d": scalar}
    assert render('{"a": ${V}, "b": "${V}"}', {"V": value}) == [{"a": scalar, "b": value}]


@given(values)
def test_a_value_as_a_key_stays_one_key(value):
    assert render("m: {'${V}': 1}\nn: {p: ${V}x}\n", {"V": value})[0]["m"] == {value: 1}


# --- shell scripts in manifests ------------------------------------------------------------------------------------

SCRIPT = """\
spec:
  initContainers:
  - command: [/bin/sh, -exc]
    args:
    - |
      for i in 1 2; do echo "${i} ${ADDRESS}"; done
      STATUS=$(wget ${ADDRESS:-none} | head -n ${LINES})
      echo "${STATUS} ${STATUS%%x} ${A}"
    env:
    - name: ADDRESS
      value: ${WHERE}
  containers:
  - command: [app, "--at=${ADDRESS}"]
    env: [{name: ADDRESS, value: there}]
"""


def test_names_of_a_shell_script_are_left_to_the_shell():
    environment = {"A": "a", "WHERE": "here", "LINES": "9", "ADDRESS": "ci", "STATUS": "ci"}
    (pod,) = render(SCRIPT, Values(environment=environment))
    script = pod["spec"]["initContainers"][0]["args"][0]
    assert script.splitlines() == [
        'for i in 1 2; do echo "${i} ${ADDRESS}"; done',
        "STATUS=$(wget ${ADDRESS:-none} | head -n 9)",
        'echo "${STATUS} ${STATUS%%x} a"',
    ]
    assert pod["spec"]["initContainers"][0]["env"][0]["value"] == "here"
    assert pod["spec"]["containers"][0]["command"] == ["app", "--at=ci"]


def test_names_given_on_purpose_are_substituted_in_a_script_too():
    given = Values({"ADDRESS": "given", "A": "a", "WHERE": "x", "LINES": "1"})
    script = render(SCRIPT, given)[0]["spec"]["initContainers"][0]["args"][0]
    assert '"${i} given"' in script


def test_a_name_that_the_script_does_not_set_is_still_an_error():
    message = failure(SCRIPT, {"A": "a", "WHERE": "x", "ADDRESS": "y"})
    assert "web.yaml:7: LINES has no value" in message
    assert "STATUS" not in message


def test_a_script_in_a_config_map_has_names_of_its_own():
    text = "data:\n  run.sh: |\n    #!/bin/sh\n    read -r LINE\n    echo ${LINE} ${1:-x}\n"
    assert "${1…} is malformed" in failure(text)
    text = text.replace("${1:-x}", "$${1:-x}")
    assert render(text)[0]["data"]["run.sh"] == "#!/bin/sh\nread -r LINE\necho ${LINE} ${1:-x}\n"


# --- where values come from ----------------------------------------------------------------------------------------


def test_the_first_source_that_has_a_name_wins(tmp_path):
    vars_file = tmp_path / "vars.env"
    vars_file.write_text("A=file\nB=file\n")
    found = Values.read(["A=flag", "A=later"], [str(vars_file)], {"A": "env", "B": "env", "C": "env"})
    assert [found.get(name) for name in "ABCD"] == ["later", "file", "env", None]


def test_a_later_vars_file_wins(tmp_path):
    (tmp_path / "1.env").write_text("A=1\nB=1\n")
    (tmp_path / "2.yaml").write_text("A: 2\n")
    found = Values.read(files=[str(tmp_path / "1.env"), str(tmp_path / "2.yaml")])
    assert (found.get("A"), found.get("B")) == ("2", "1")


def test_an_assignment_may_hold_anything():
    assert Values.read(["A=b=c\n d", "EMPTY="]).known() == {"A": "b=c\n d", "EMPTY": ""}


def test_a_name_alone_takes_the_environments_value():
    environment = {"HOME": "/root", "A": "env", "K8S_TOKEN": "x"}
    found = Values.read(["HOME", "A", "K8S_TOKEN"], environment=environment)
    assert [found.get(name) for name in ("HOME", "A", "K8S_TOKEN")] == ["/root", "env", "x"]


def test_a_name_alone_that_is_not_in_the_environment_is_named():
    with pytest.raises(InputError, match=r"IMAGE_TAG has no = and is not in the environment \(write --var IMAGE_TAG=…"):
        Values.read(["A=b", "IMAGE_TAG"], environment={})


@pytest.mark.parametrize(
    ("text", "told"),
    [("image-tag=1", "image-tag is no such name"), ("A.B", "A.B has no ="), ("ab/cd+ef==", "entry 2 is no such name")],
)
def test_a_name_that_is_none_is_told_unless_it_may_be_a_secret(text, told):
    with pytest.raises(InputError) as caught:
        Values.read(["A=b", text], environment={})
    assert told in str(caught.value) and "ab/cd" not in str(caught.value)


def test_an_environment_value_taken_by_name_is_utf8():
    with pytest.raises(InputError, match="the value of BAD in the environment is not UTF-8"):
        Values.read(["BAD"], environment={"BAD": "\udcff"})


def test_an_entry_without_a_name_is_told_by_its_number():
    with pytest.raises(InputError, match=r"entry 2 has no = \(a value of several lines goes into a --vars-file"):
        Values.read(["A=b", "TAG 1"], environment={})


@pytest.mark.parametrize("text", ["A", "=x", "1A=x", "A-B=x", "", "A B=x"])
def test_a_malformed_assignment_is_an_error(text):
    with pytest.raises(InputError, match="--var takes NAME=VALUE"):
        Values.read([text])


def test_a_malformed_assignment_does_not_repeat_what_may_be_a_secret():
    with pytest.raises(InputError) as caught:
        Values.read(["KEY=first line", "hunter2"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(CREDENTIALS))
def test_the_steps_own_credentials_are_no_values(name):
    message = failure(f"a: ${{{name}:-none}}\n", Values(environment={name: "hunter2"}))
    assert f"web.yaml:1: {name} holds the step's own credentials" in message
    assert f"--var {name}=" in message
    assert "hunter2" not in message


def test_a_token_is_no_value_under_a_second_name_either():
    environment = {"K8S_TOKEN": "hunter2", "DEPLOY_TOKEN": "hunter2", "OTHER": "x"}
    message = failure("a: ${DEPLOY_TOKEN}\n", Values(environment=environment))
    assert "DEPLOY_TOKEN holds the step's own credentials" in message
    assert Values(environment=environment).known() == {"OTHER": "x"}


def test_a_credential_given_on_purpose_is_a_value():
    assert render("a: ${K8S_TOKEN}\n", Values({"K8S_TOKEN": "x"}, environment={"K8S_TOKEN": "x"})) == [{"a": "x"}]


@pytest.mark.parametrize("name", ["HOME", "HOSTNAME", "PATH", "USER", "LC_ALL", "RUNNER_TEMP", "NODE_NAME", "CI"])
def test_what_the_machine_sets_for_itself_is_no_value_unless_it_is_named(name):
    environment = {name: "of the CI container", "OTHER": "x"}
    message = failure(f"a: ${{{name}}}\n", Values(environment=environment))
    assert f"web.yaml:1: {name} has no value: a shell or a CI runner sets it for itself" in message
    assert f"--var {name} takes it all the same" in message and "write $${" in message
    assert render(f"a: ${{{name}:-none}}\n", Values(environment=environment)) == [{"a": "none"}]
    assert Values(environment=environment).known() == {"OTHER": "x"}
    named = Values.read([name], environment=environment)
    assert render(f"a: ${{{name}}}\n", named) == [{"a": "of the CI container"}]


def test_what_is_not_in_the_environment_either_gets_the_same_words():
    assert "HOSTNAME has no value: a shell or a CI runner" in failure("a: ${HOSTNAME}\n", Values())


def test_what_tells_of_the_build_is_a_value():
    names = ["GITHUB_SHA", "GITHUB_REF_NAME", "CI_COMMIT_SHA", "CI_REGISTRY_PASSWORD", "BUILD_NUMBER", "HOST", "TZ"]
    environment = dict.fromkeys(names, "x")
    assert Values(environment=environment).known() == environment


# --- what is no template -------------------------------------------------------------------------------------------

VENDORED = "${DS_PROMETHEUS} ${job:raw} ${request_uri} ${TAG[0]} $${A} ${A} ${"


def dashboard(note: str) -> str:
    return f"metadata:\n  annotations: {{k8s-step/template: {note}}}\ndata:\n  x: '{VENDORED}'\n"


@pytest.mark.parametrize("note", ['"false"', "'false'", "false", "&no 'false'"])
def test_an_annotated_object_is_left_as_it_is_written(note):
    assert render(dashboard(note))[0]["data"] == {"x": VENDORED}
    assert render(f"{dashboard(note)}---\na: ${{A}}\n")[1] == {"a": "a"}


def test_an_annotated_object_of_a_list_is_left_alone_and_its_neighbours_are_not():
    one = json.dumps({"metadata": {"annotations": {"k8s-step/template": "false"}}, "data": {"x": VENDORED}})
    (found,) = render(f'{{"kind": "List", "items": [{one}, {{"a": "${{A}}"}}]}}')
    assert [found["items"][0]["data"]["x"], found["items"][1]["a"]] == [VENDORED, "a"]


@pytest.mark.parametrize("note", ['"true"', "''", '"no"'])
def test_another_word_leaves_an_object_a_template(note):
    assert "${job…} is malformed" in failure(dashboard(note))


@pytest.mark.parametrize("note", ["yes", "", False, True, None])
def test_the_annotation_is_true_or_false(note):
    with pytest.raises(InputError, match='neither "true" nor "false"'):
        check_annotation({"metadata": {"annotations": {"k8s-step/template": note}}})
    for metadata in ({}, {"annotations": {"k8s-step/template": "true"}}, {"annotations": None}, None):
        check_annotation({"metadata": metadata})


def test_an_environment_value_that_is_no_utf8_is_an_error_only_where_it_is_used():
    environment = Values(environment={"BAD": "\udcff", "A": "a"})
    assert render("a: ${A}\n", environment) == [{"a": "a"}]
    assert "web.yaml:1: the value of BAD in the environment is not UTF-8" in failure("a: ${BAD}\n", environment)


def test_an_unknown_name_gets_the_nearest_known_one():
    message = failure("a: ${IMAGE_TGA}\n", {"IMAGE_TAG": "1"})
    assert "web.yaml:1: IMAGE_TGA has no value" in message
    assert "did you mean IMAGE_TAG?" in message


def test_values_are_in_no_representation():
    assert "hunter2" not in repr(Values({"A": "hunter2"}, {"B": "hunter2"}, {"C": "hunter2"}))


DOTENV = """\
# a comment
A=1
export B = two words  # a comment
C='single $X "quoted" # kept'
D="double \\"quoted\\"\\n\\$X" # a comment
E=

F=a#b
G=http://x/?a=b
H=it's
I= # none
J=#none
"""


def test_dotenv(tmp_path):
    file = tmp_path / ".env"
    file.write_text(DOTENV)
    assert Values.read(files=[str(file)]).known() == {
        "A": "1",
        "B": "two words",
        "C": 'single $X "quoted" # kept',
        "D": 'double "quoted"\n$X',
        "E": "",
        "F": "a#b",
        "G": "http://x/?a=b",
        "H": "it's",
        "I": "",
        "J": "#none",
    }


@pytest.mark.parametrize("line", ["A", "A: 1", "1A=x", 'A="open', "A='b'c", "=x"])
def test_a_malformed_dotenv_line_is_told_with_its_number(tmp_path, line):
    file = tmp_path / "vars"
    file.write_text(f"# ok\nOK=1\n{line}\n")
    with pytest.raises(InputError, match=r"vars:3: not of the form NAME=VALUE"):
        Values.read(files=[str(file)])


def test_a_yaml_vars_file_keeps_what_is_written(tmp_path):
    file = tmp_path / "vars.yaml"
    file.write_text("A: 1.10\nB: 'x: y'\nC: yes\nD:\nE: |\n  a\n  b\n")
    found = Values.read(files=[str(file)])
    assert found.known() == {"A": "1.10", "B": "x: y", "C": "yes", "D": "", "E": "a\nb\n"}


def test_a_json_vars_file(tmp_path):
    file = tmp_path / "vars.json"
    file.write_text('{"A": 1.10, "B": "x", "C": true}')
    assert Values.read(files=[str(file)]).known() == {"A": "1.10", "B": "x", "C": "true"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A: 1\nB: [1]\n", "vars.yaml:2: the value of B is not a single"),
        ("A: 1\nB-C: 1\n", "vars.yaml:2: 'B-C' is not a variable's name"),
        ("A: 1\nA: 2\n", "vars.yaml:2: a key is already there, in line 1"),
        ("A: 1\nhunter2 hunter2: 1\n", "vars.yaml:2: that is not a variable's name"),
        ("A: *hunter2\n", "vars.yaml:1: an unquoted * refers to an anchor"),
        ("- A\n", "vars.yaml:1: a vars file is one mapping"),
        ("A: 1\n---\nB: 1\n", "vars.yaml:3: a vars file is one mapping"),
        ("A: b: c\n", "vars.yaml:1: mapping values"),
    ],
)
def test_a_malformed_yaml_vars_file_is_told_with_its_line(tmp_path, text, message):
    file = tmp_path / "vars.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        Values.read(files=[str(file)])
    assert message in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["PASSWORD=hunter2-hunter2", "PASSWORD=hunter2\nUSER=me", "hunter2" * 50])
def test_the_content_of_a_vars_file_in_place_of_its_path_is_not_repeated(text):
    with pytest.raises(InputError, match=r"^--vars-file names no file") as caught:
        Values.read(files=[text])
    assert "hunter2" not in str(caught.value)


def test_a_missing_vars_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="the vars file cannot be read: No such file"):
        Values.read(files=[str(tmp_path / "none.env")])
