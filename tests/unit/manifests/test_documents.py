"""YAML and JSON text to documents: kubectl's meaning, lines, and errors with file and line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import InputError
from k8s_step.manifests.documents import MOST_ALIASED, EventParser, PureParser, SourceText, decode, parse

PARSERS = [pytest.param(EventParser, id="libyaml"), pytest.param(PureParser, id="pure")]


def read(text, file="k8s/web.yaml", parser=EventParser):
    return [document.build() for document in parse(SourceText(file, text), parser)]


def as_json(value):
    """Tells 1 from true and from 1.0, which Python's == does not."""
    return json.dumps(value, sort_keys=True)


def failure(text, file="k8s/web.yaml", parser=EventParser):
    with pytest.raises(InputError) as caught:
        read(text, file, parser)
    return str(caught.value)


MEANINGS = {
    "a: 1\n---\nb: 2\n": [{"a": 1}, {"b": 2}],
    "---\n---\n# only a comment\n---\na: 1\n---\n": [{"a": 1}],
    "--- # the first\na: 1\n...\n--- \t\nb: 2\n": [{"a": 1}, {"b": 2}],
    "~\n---\nnull\n--- \na: ~\n": [{"a": None}],
    "\ufeffa: 1\n": [{"a": 1}],
    "a: 1\n---\n\ufeffb: 2\n": [{"a": 1}, {"b": 2}],
    "a: 1\r\n--- # next\r\n\ufeffb: 2\r\nc: 3\r\n": [{"a": 1}, {"b": 2, "c": 3}],
    "a: 1\n---\n\ufeff# next\nb: 2\n": [{"a": 1}, {"b": 2}],
    "a: 1\n---\n\ufeff---\nb: 2\n": [{"a": 1}, {"b": 2}],
    'a: "x\ufeffy"\nb: x\ufeffy\nc: |\n  x\n  \ufeffy\n': [{"a": "x\ufeffy", "b": "x\ufeffy", "c": "x\n\ufeffy\n"}],
    "a: 1\r\nb: |\r\n  x\r\n  y\r\n---\r\nc: 2\r\n": [{"a": 1, "b": "x\ny\n"}, {"c": 2}],
    "": [],
    "# nothing\n": [],
    "a: 'yes'\nb: \"0755\"\nc: |-\n  1\n": [{"a": "yes", "b": "0755", "c": "1"}],
    "1: a\n1.5: b\nyes: c\n'2': d\n": [{"1": "a", "1.5": "b", "true": "c", "2": "d"}],
    "=: =\n": [{"=": "="}],
    "{<<: {a: 1}, b: 2}": [{"a": 1, "b": 2}],
    "{a: 1, <<: {a: 2}}": [{"a": 2}],
    "{<<: {a: 2}, a: 1}": [{"a": 1}],
    "{<<: [{a: 1}, {a: 2, b: 3}]}": [{"a": 1, "b": 3}],
    "x: &x {a: 1, k: {m: 1}}\nz: {<<: *x, b: 2}\n": [
        {"x": {"a": 1, "k": {"m": 1}}, "z": {"a": 1, "k": {"m": 1}, "b": 2}}
    ],
    "x: &x {a: 1}\nz: {<<: [*x, {c: 3}]}\n": [{"x": {"a": 1}, "z": {"a": 1, "c": 3}}],
    '"<<": 1\n': [{"<<": 1}],
    "a: &a 1\nb: &a 2\nc: *a\n": [{"a": 1, "b": 2, "c": 2}],
    "a: &k name\n*k : 1\n": [{"a": "name", "name": 1}],
    'a: !!str 1\nb: !!int "3"\nc: !!binary aGk=\nd: !x 1\ne: !!seq [1]\nf: ! 1\n': [
        {"a": "1", "b": 3, "c": "hi", "d": "1", "e": [1], "f": "1"}
    ],
    'a: "\\x41\\u00e9\\n\\/"\n': [{"a": "Aé\n/"}],
    "a:\tb\nc: [1,\t2]\nd:\t\n  - e\n": [{"a": "b", "c": [1, 2], "d": ["e"]}],
    "- a\n- {b: 1}\n": [["a", {"b": 1}]],
    "? a\n: b\n? c\n": [{"a": "b", "c": None}],
    "a: [x, y: z]\n": [{"a": ["x", {"true": "z"}]}],
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "expected"), MEANINGS.items())
def test_yaml_means_what_it_means_to_kubectl(text, expected, parser):
    assert as_json(read(text, parser=parser)) == as_json(expected)


MISTAKES = {
    "a: 1\nb:\n  c: 1\n  c: 2\n": 'web.yaml:4: the key "c" is already there, in line 3',
    "1: a\n'1': b\n": 'web.yaml:2: the key "1" is already there',
    "yes: a\ny: b\n": 'web.yaml:2: the key "true" is already there',
    "a:\n- b: 1\n-\t- c\n   b\n": "web.yaml:",
    "a:\n\tb: 1\n": "web.yaml:2: found character",
    'a: 1\nb: "\\q"\n': "web.yaml:2: found unknown escape character",
    "a: .inf\n": "web.yaml:1: infinity",
    "\n? {a: 1}\n: 2\n": "web.yaml:2: a mapping or a list cannot be a key",
    "? [a]\n: 2\n": "web.yaml:1: a mapping or a list cannot be a key",
    "&a [1]: 2\n": "web.yaml:1: a mapping or a list cannot be a key",
    "~: 1\n": "web.yaml:1: null cannot be a key",
    "a: 1\nb: *c\n": "web.yaml:2: *c refers to an anchor",
    "a: &a 1\n---\nb: *a\n": "web.yaml:3: *a refers to an anchor",
    "a: &a [*a]\n": "web.yaml:1: the value anchored as &a contains itself",
    "a: &a\n  <<: *a\n": "web.yaml:2: the value anchored as &a contains itself",
    "<<: 1\n": "web.yaml:1: << takes a mapping",
    "a: &a [1]\n<<: *a\n": "web.yaml:2: << takes a mapping",
    "a: !!int x\n": "web.yaml:1: the value is not what its tag !!int says",
    "a: b: c\n": "web.yaml:1: mapping values are not allowed",
    "a: [1, 2\nb: 3\n": "that begins in line 1",
    'a: "x\n\n': "that begins in line 1",
    "a: x\x07\n": "web.yaml:1: the character U+0007 is not allowed",
    "a: 1\n b: 2\n": "web.yaml:2: mapping values",
    "a: @x\n": "web.yaml:1: found character",
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "expected"), MISTAKES.items())
def test_a_mistake_is_told_with_file_and_line(text, expected, parser):
    assert expected in failure(text, parser=parser)


FILLED_IN = {
    "an alias": ("a: *hunter2\n", "k8s/web.yaml:1: an unquoted * refers to an anchor that is not set before"),
    "an alias in a list": ("a:\n- b\n- *hunter2\n", "k8s/web.yaml:3: an unquoted *"),
    "an anchor": ("a: &hunter2 [*hunter2]\n", "k8s/web.yaml:1: an anchored value contains itself"),
    "a tag": ("a: !hunter2!x y\n", "k8s/web.yaml:1: "),
    "a key": ("a:\n  hunter2: 1\n  hunter2: 2\n", "k8s/web.yaml:3: a key is already there, in line 2"),
    "a key of JSON": ('{"hunter2": 1,\n"hunter2": 2}', "k8s/web.yaml:2: a key is already there, in line 1"),
    "a number's tag": ("a: !!int hunter2\n", "k8s/web.yaml:1: the value is not what its tag !!int says"),
    "a mapping": ("a: hunter2: b\n", "k8s/web.yaml:1: mapping values are not allowed"),
    "a start": ("a: @hunter2\n", "k8s/web.yaml:1: found character"),
    "an escape": ('a: "\\hunter2"\n', "k8s/web.yaml:1: "),
    "a comma": ("a: [x\nhunter2: y\n", "k8s/web.yaml:"),
    "a block": ("a: |hunter2\n  b\n", "k8s/web.yaml:1: "),
    "a directive": ("%hunter2\n---\na: %hunter2\n", "k8s/web.yaml:"),
    "JSON": ('{"a": "x", hunter2}', "k8s/web.yaml:1: "),
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("text", "expected"), FILLED_IN.values(), ids=FILLED_IN)
def test_of_a_text_that_was_filled_in_nothing_is_quoted(text, expected, parser):
    try:
        for document in parse(SourceText("k8s/web.yaml", text, is_filled_in=True), parser):
            document.build()
    except InputError as error:
        assert str(error).startswith(expected)
        assert "hunter" not in str(error)
        assert "contains itself" in expected or "int says" in expected or "key" in expected or "quotes" in str(error)
    else:
        assert expected.endswith(": "), "kubectl takes it"


def test_tabs_get_advice():
    assert "use spaces" in failure("a:\n\tb: 1\n")


def test_all_mistakes_of_a_document_are_told_at_once():
    message = failure("a: 1\na: 2\nb: .nan\n~: 3\n")
    assert [line.split(":")[1] for line in message.splitlines()] == ["2", "3", "4"]


def test_a_mistake_does_not_repeat_a_value():
    assert "hunter2" not in failure("kind: Secret\nstringData: {p: !!int hunter2, q: .inf, p: hunter2}\n")


@pytest.mark.parametrize("parser", PARSERS)
def test_an_alias_bomb_is_cut_off(parser):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert f"beyond {MOST_ALIASED} values" in failure("\n".join(lines), parser=parser)


@pytest.mark.parametrize("text", ["[" * 5000, "a:\n" + "- " * 5000 + "x", "{a: " * 300, '{"a":' * 5000])
def test_deep_nesting_is_an_error_and_no_crash(text):
    assert "nested deeper than" in failure(text)


def test_nesting_by_aliases_is_bounded_too():
    lines = ["a0: &a0 " + "[" * 100 + "]" * 100] + [f"a{n}: &a{n} {'[' * 99}*a{n - 1}{']' * 99}" for n in range(1, 5)]
    assert "nested deeper than" in failure("\n".join(lines))


# --- JSON ----------------------------------------------------------------------------------------------------------

MISPLACED = {
    "before a separator": "a: 1\n\ufeff---\nb: 2\n",
    "without a separator": "a: 1\n\ufeffb: 2\nc: 3\n",
    "after a comment": "# a\n\ufeffb: 2\nc: 3\n",
    "after an empty line": "\n\ufeffb: 2\nc: 3\n",
    "a second one": "---\n\ufeff\ufeffb: 2\nc: 3\n",
    "in a block": "a: |\n\ufeff  x\n",
    "before a key": "a:\n  \ufeffb: 1\n",
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("text", MISPLACED.values(), ids=MISPLACED)
def test_a_byte_order_mark_elsewhere_is_named_with_its_line(text, parser):
    told = failure(text, parser=parser)
    assert told.startswith("k8s/web.yaml:2: a byte order mark in the middle of a document (remove it; files that")


def test_a_byte_order_mark_before_a_json_value_is_skipped():
    assert read('{"a": 1}\n\ufeff{"b": 2}', "x.json") == [{"a": 1}, {"b": 2}]


JSON_MEANINGS = {
    '{"a": [1, 1.0, 1e3, -0.5, true, null, "x"]}': [{"a": [1, 1, 1000, -0.5, True, None, "x"]}],
    '{"a": 1}\n{"b": 2}{"c": {}}\n': [{"a": 1}, {"b": 2}, {"c": {}}],
    '\n\t{\t"a"\n:\t"\\ud83d\\ude00\\/\\u0041"\n}': [{"a": "😀/A"}],
    '{"y": "yes", "1": []}': [{"y": "yes", "1": []}],
    '{"a": 12345678901234567890123}': [{"a": 1.2345678901234568e22}],
    "[1, 2]": [[1, 2]],
    "{a: 1}": [{"a": 1}],
    "{a: 1}\n---\n{b: 2}\n": [{"a": 1}, {"b": 2}],
}


@pytest.mark.parametrize(("text", "expected"), JSON_MEANINGS.items())
def test_json_is_read_as_kubectl_reads_it(text, expected):
    assert as_json(read(text, "web.json")) == as_json(expected)


JSON_MISTAKES = {
    '{"a": 1,\n "a": 2}': 'web.json:2: the key "a" is already there, in line 1',
    '{"a": 1,\n "b" 2\n}': "web.json:2: ':' is expected here",
    '{"a": 1,\n "b": 2\n': "web.json:3: ',' is expected here",
    '{"a":\n [1 2 "x" }': "web.json:2: ',' is expected here",
    '{"a": "x\n", b: "': "web.json:1: Invalid control character",
    '{\n"a": "\\ud800"}': "web.json:2: half of a surrogate pair",
    '{"a": "\\q"}': "web.json:1: Invalid \\escape",
    '{"a": 1e999, "b" 1}': "web.json:1: the number is too big",
}


@pytest.mark.parametrize(("text", "expected"), JSON_MISTAKES.items())
def test_a_mistake_in_json_is_told_with_file_and_line(text, expected):
    assert expected in failure(text, "web.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 2]), st.booleans())
def test_json_is_read_back_as_it_was_written(value, indent, ascii_only):
    text = json.dumps({"v": value}, indent=indent, ensure_ascii=ascii_only)
    if not ascii_only:
        text = "".join(
            character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
            for character in text
        )
    assert read(text, "web.json") == [json.loads(text)]


# --- bytes and lines -----------------------------------------------------------------------------------------------


def test_bytes_that_are_no_utf8_are_told_with_their_line():
    with pytest.raises(InputError, match=r"web.yaml:2: the file is not UTF-8 text"):
        decode(b"a: 1\nb: \xff\n", "web.yaml")


def test_utf16_is_recognized():
    with pytest.raises(InputError, match="UTF-16"):
        decode("a: 1".encode("utf-16"), "web.yaml")


def test_a_byte_order_mark_is_dropped():
    assert decode(b"\xef\xbb\xbfa: 1", "web.yaml") == "a: 1"


DEPLOYMENT = """\
# a comment
kind: Deployment
metadata:
  name: web
  labels:
    app.kubernetes.io/name: web
    app: web
  annotations: &notes {team: a}
spec:
  template:
    metadata:
      annotations:
        <<: *notes
    spec:
      containers:
        - name: app
          image: a
          ports:
            - containerPort: 80
              protocol: TCP
            - {containerPort: 80, protocol: UDP}
        - image: b
          name: side
"""

LINES = {
    "kind": 2,
    "metadata.name": 4,
    ".metadata.labels.app": 7,
    ".metadata.labels.app.kubernetes.io/name": 6,
    "metadata.labels[app.kubernetes.io/name]": 6,
    "metadata.annotations[team]": 8,
    "metadata.labels.missing": 5,
    "spec.template.spec.containers": 15,
    "spec.template.spec.containers[0]": 16,
    "spec.template.spec.containers[0].image": 17,
    "spec.template.spec.containers[1].image": 22,
    "spec.template.spec.containers[1].name": 23,
    "spec.template.spec.containers[7].name": 15,
    '.spec.template.spec.containers[name="side"].image': 22,
    '.spec.template.spec.containers[name="app"].ports[containerPort=80,protocol="UDP"].protocol': 21,
    '.spec.template.spec.containers[name="app"].ports[containerPort=80,protocol="TCP"].containerPort': 19,
    '.spec.template.spec.containers[name="gone"].image': 15,
    "spec.replicas": 9,
    "nowhere": 2,
    "": 2,
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("path", "line"), LINES.items())
def test_a_field_is_found_by_the_names_the_api_gives_it(path, line, parser):
    (document,) = parse(SourceText("web.yaml", DEPLOYMENT), parser)
    assert document.line_of(document.build(), path) == line


def test_a_field_that_comes_from_a_merge_key_is_found():
    (document,) = parse(SourceText("web.yaml", DEPLOYMENT))
    assert document.line_of(document.build(), "spec.template.metadata.annotations.team") == 8


def test_lines_of_rendered_text_are_those_of_the_template():
    (document,) = parse(SourceText("web.yaml.j2", "a: 1\nb: 2\nc: 3\n", lines=(4, 9, 9)))
    assert (document.line, document.where) == (4, "web.yaml.j2:4")
    assert document.line_of(document.build(), "c") == 9
