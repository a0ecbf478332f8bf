from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from dataclasses import replace
from threading import Thread
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.reference import Reference
from k8s_step.redaction import MASK, Redactor, SecretValue
from k8s_step.redaction.forms import OWN_WORDS, is_telling
from k8s_step.report.results.result import (
    NOT_BACK,
    QUIET,
    RESULTS,
    TAKEN_BACK,
    UNFINISHED,
    UNKNOWN,
    ObjectResult,
    Result,
)
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.states import State

SECRET = 'p4ss"w<rd>&\\ é/+?=\tx'


def redactor(*values: str | bytes | None) -> Redactor:
    made = Redactor()
    made.add(*values)
    return made


def go_json(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


FORMS = {
    "plain": SECRET,
    "json": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "json in ascii": json.dumps(SECRET)[1:-1],
    "go's json": go_json(SECRET)[1:-1],
    "repr": repr(SECRET)[1:-1],
    "xml": html.escape(SECRET),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 without padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "url-safe base64": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "url": urllib.parse.quote(SECRET, safe=""),
    "url with slashes": urllib.parse.quote(SECRET),
    "form": urllib.parse.quote_plus(SECRET),
    "lower-case url": re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(SECRET, safe="")),
}


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_passes(form: str) -> None:
    assert redactor(SECRET).mask(f"before {FORMS[form]} after") == "before *** after"


@given(st.binary(min_size=9, max_size=40), st.binary(max_size=7), st.binary(max_size=7))
@example(b"hunter2-hunter2", b"admin:", b"")
def test_base64_of_something_longer_holds_it_no_more(secret: bytes, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret + after).decode()
    assert MASK in redactor(secret).mask(f"Authorization: Basic {encoded}")


# Not of the mask's own letters, nor what nobody keeps secret; what a masked text may hold of it is then its own fault.
secrets = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="*"), min_size=4)


@given(secrets.filter(lambda text: text.lower() not in ("true", "false", "null", "none", "default")), st.text())
def test_a_masked_text_does_not_hold_it(secret: str, around: str) -> None:
    masked = redactor(secret).mask(f"{around}{secret}{around}")
    assert secret not in masked
    assert MASK in masked


KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"


@pytest.mark.parametrize("line", KEY.splitlines())
def test_each_line_of_a_secret_is_one(line: str) -> None:
    assert redactor(KEY).mask(f"  | {line}") == "  | ***"


@pytest.mark.parametrize(("line", "masked"), [("ab-12", "ab-12"), ("ab-123", MASK)])
def test_a_line_of_six_letters_is_one_and_a_shorter_one_is_not(line: str, masked: str) -> None:
    assert redactor(f"a text whose second line is short\n{line}\n").mask(f"> {line} <") == f"> {masked} <"


@pytest.mark.parametrize("width", [64, 76])
def test_each_line_of_wrapped_base64(width: int) -> None:
    encoded = base64.b64encode(bytes(range(256))).decode()
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    masked = redactor(bytes(range(256))).mask("\n".join(f"  {line}" for line in lines))
    assert masked.splitlines() == [f"  {MASK}"] * len(lines)


def of_secret(raw: bytes) -> Redactor:
    """A redactor that knows a Secret with this value."""
    one = Redactor()
    encoded = base64.b64encode(raw).decode()
    one.add_values(values_of([{"kind": "Secret", "metadata": {"name": "store"}, "data": {"keystore": encoded}}]))
    return one


@pytest.mark.parametrize("width", [64, 76])
def test_each_line_of_wrapped_base64_of_a_secrets_binary_value(width: int) -> None:
    raw = bytes(range(256))
    encoded = base64.b64encode(raw).decode()
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    masked = of_secret(raw).mask("\n".join(f"  {line}" for line in lines))
    assert masked.splitlines() == [f"  {MASK}"] * len(lines)


@given(st.binary(min_size=9, max_size=40), st.binary(max_size=7), st.binary(max_size=7))
@example(b"\xfe\xffhunter2", b"admin:", b"")
def test_base64_of_something_longer_holds_a_secrets_value_no_more(secret: bytes, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret + after).decode()
    assert MASK in of_secret(secret).mask(f"Authorization: Basic {encoded}")


@given(st.binary(max_size=60), st.text(max_size=20))
@example(b"{\xff}\na: \xfe\xff\xfd\xfc\xfb\xfa\nplain-line-of-it\n\x1b\x00line", "")
def test_a_binary_value_is_known_and_never_in_the_way(raw: bytes, around: str) -> None:
    one, told = of_secret(raw), list[str]()
    one.listen(told.append)
    one.spare("web", around)
    one.settle()
    for text in (
        around,
        f"{around}{raw.decode('utf-8', 'surrogateescape')}",
        raw.decode("utf-8", "replace"),
        repr(raw),
    ):
        for masked in (one.mask(text), one.mask_name(text), one.mask_line(text), str(one.mask_object({"a": text}))):
            masked.encode("utf-8", "backslashreplace")
    "\n".join(told).encode()
    assert not any(letter in "\0\x1b\ufffd" for line in told for letter in line)


def test_a_whole_file_in_json() -> None:
    assert redactor(KEY).mask(json.dumps({"tls.key": KEY})) == '{"tls.key": "***\\n"}'


@pytest.mark.parametrize("value", ["", "abc", None, b"", "true", "False", "null", "default", "a\nb\ndata:"])
def test_what_is_too_short_or_too_ordinary_is_left_alone(value: str | bytes | None) -> None:
    text = "abc true False null default data: a b"
    assert redactor(value).mask(text) == text


def test_the_longest_goes_first() -> None:
    assert redactor("token", "token-and-more").mask("token-and-more") == "***"


def test_spaces_around_a_token_do_not_matter() -> None:
    assert redactor("s3cr3t-token\n").mask("Bearer s3cr3t-token") == "Bearer ***"


def test_bytes_that_are_no_text() -> None:
    raw = bytes(range(200, 232))
    assert redactor(raw).mask(base64.b64encode(raw).decode()) == MASK
    assert redactor("env-\udcff-value").mask("env-\udcff-value") != "env-\udcff-value"


def test_everything_within_a_structure() -> None:
    given = {"a": ["s3cr3t", {"b": ("x s3cr3t", 7, None, True)}]}
    assert redactor("s3cr3t").mask_all(given) == {"a": [MASK, {"b": ("x ***", 7, None, True)}]}


class Told(NamedTuple):
    message: str
    where: str = ""
    rest: tuple[str, ...] = ()


def test_a_named_tuple_stays_one() -> None:
    given = Told("password s3cr3t", "s3cr3t.yaml:3", ("s3cr3t", "plain"))
    assert redactor("s3cr3t").mask_all(given) == Told(f"password {MASK}", "s3cr3t.yaml:3", (MASK, "plain"))
    assert redactor("s3cr3t").mask_all(Told("plain")) == Told("plain")


def test_everything_within_a_result() -> None:
    entry = ObjectResult(Reference("v1", "Secret", "shop", "db"), message="got s3cr3t")
    result = Result("apply", ExitCode.FAILED, None, None, "", 1.0, (entry,), message="s3cr3t")
    masked = redactor("s3cr3t").mask_all(result)
    assert (masked.objects[0].message, masked.message, masked.exit_code) == ("got ***", MASK, ExitCode.FAILED)
    assert entry.message == "got s3cr3t", "the original is left as it is"


def test_its_repr_tells_nothing() -> None:
    assert "s3cr3t" not in repr(redactor("s3cr3t"))


def test_a_listener_is_told_each_line_once_in_plain_text() -> None:
    one, told = Redactor(), []
    one.add("known before")
    one.listen(told.append)
    one.add("line one\n  line two \nno", b"bytes too", "known before", "true", "a\nb", b"\xff\xfe\xfd no text")
    assert told == ["known before", "line one", "line two", "bytes too"]


# -- values of Secrets, and what they may equal


def values(*texts: str, names: tuple[str, ...] = ()) -> Redactor:
    made = Redactor()
    made.spare(*names)
    made.add_values([SecretValue(text, f"key {number}") for number, text in enumerate(texts)])
    return made


def test_a_value_that_equals_a_name_is_none_and_its_key_is_said_once() -> None:
    one = values("shop", "hunter2-hunter2", names=("shop",))
    assert one.mask("user shop, password hunter2-hunter2") == "user shop, password ***"
    assert one.settle() == ("key 0",)
    assert one.settle() == ()


def test_names_that_become_known_later_count_as_well() -> None:
    one = values("shop", "hunter2-hunter2")
    assert one.mask("shop") == MASK
    one.spare("shop")
    assert one.mask("shop, hunter2-hunter2") == "shop, ***"


def test_a_credential_is_one_whatever_it_equals() -> None:
    one = values("shop", names=("shop", "production"))
    one.add("shop", "production")
    assert one.mask("shop in production") == "*** in ***"
    assert one.mask_name("production/x") == "***/x"
    assert one.mask_name("shop/x") == "shop/x", "it is too short to be told from a name"


def test_a_name_is_left_whole_where_a_value_is_a_part_of_it() -> None:
    one = values("shop", names=("shop-web",))
    told = 'deployments.apps "shop-web" not found; pod shop-web-7c9d-x; the user is shop; shop-other; workshop-web'
    assert one.mask(told) == (
        'deployments.apps "shop-web" not found; pod shop-web-7c9d-x; the user is ***; ***-other; work***-web'
    )


def test_masking_says_nothing_of_the_words_of_results() -> None:
    words = {*RESULTS.values(), *map(str, State), *QUIET, *TAKEN_BACK, *NOT_BACK, UNKNOWN, UNFINISHED}
    assert {word for word in words if word not in OWN_WORDS} == set()
    one, told = values("succeeded", "current"), []
    one.listen(told.append)
    one.settle()
    assert (one.mask("succeeded: all are current"), told) == ("succeeded: all are current", [])


def test_the_runner_is_told_of_values_once_the_names_are_known() -> None:
    one, told = values("shop", "s3cr3t-value"), []
    one.listen(told.append)
    one.add("a-token-1")
    assert told == ["a-token-1"]
    one.spare("shop")
    one.settle()
    assert told == ["a-token-1", "s3cr3t-value"]
    one.add_values([SecretValue("of a live Secret")])
    assert told[2:] == ["of a live Secret"]


TEXT = """\
apiVersion: v1
kind: Deployment
"receivers":
metadata:
  name: web-of-trust
containers:
- name: sidecar
replicas: 2
  "enabled": true,
user: shop
password: hunter2
  -  api_key: "0123456789"
}
"""


@pytest.mark.parametrize(
    "line",
    [
        *(
            "apiVersion: v1",
            '"receivers":',
            "metadata:",
            "containers:",
            "- name: sidecar",
            "replicas: 2",
            "}",
            "user: shop",
        ),
        *('"enabled": true,', "name: web-of-trust", "kind: Deployment"),
    ],
)
def test_a_bare_key_or_a_plain_field_is_no_secret(line: str) -> None:
    assert values(TEXT, names=("shop",)).mask(f"  {line}") == f"  {line}"


@pytest.mark.parametrize("line", ["password: hunter2", '-  api_key: "0123456789"'])
def test_any_other_line_is_one(line: str) -> None:
    assert values(TEXT).mask(f"  {line}") == "  ***"


DOCUMENTS = [
    '{"auths": {"r.example": {"password": "in a document", "short": "abc", "kind": "public-kind",'
    ' "list": ["one in a list"]}}}',
    "auths:\n  r.example:\n    password: in a document\n    kind: public-kind\n    list:\n    - one in a list\n",
    "first: 1\n---\na: &x\n- in a document\n- [*x, 'one in a list']\n",
    json.dumps({"nested": json.dumps({"list": ["in a document", "one in a list"]})}),
    "export A=in a document\nb.c = 'one in a list'\n",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_text_in_a_document_is_a_secret_in_its_own_right(document: str) -> None:
    masked = values(document).mask("in a document, one in a list, abc, public-kind")
    assert masked == "***, ***, abc, public-kind"


def test_no_document_is_too_odd() -> None:
    odd = [
        "[" * 100_000,
        "{" * 5000 + "\n: ",
        "a: &a [*a]\nb: *c",
        "- \n" * 10,
        "%YAML 9\n---\n: ",
        "? [a]\n: b-is-long-enough",
    ]
    for text in odd:
        assert values(text).mask(f"x {text.strip()}") == f"x {MASK}"


# -- however it was escaped, or cut


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_escaped_several_times(levels: int, ascii_only: bool) -> None:
    text = SECRET
    for _ in range(levels):
        text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    assert redactor(SECRET).mask(f"before {text} after") == "before *** after"


@pytest.mark.parametrize("secret", ["abcd", "abcde", "hunter2"])
@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "admin"])
def test_a_short_one_in_the_base64_of_user_and_password(secret: str, user: str) -> None:
    encoded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    masked = redactor(secret).mask(f"Authorization: Basic {encoded}")
    assert MASK in masked
    assert secret.encode() not in base64.b64decode(masked.split()[-1].partition("*")[0] + "===")


LONG = "0a1b2c3d4e5f6g7h8i9j" * 3


@pytest.mark.parametrize(
    ("cut", "masked"),
    [
        (f"denied: {LONG[:30]}", "denied: ***"),
        (f'denied: "{LONG[:30]}"', 'denied: "***"'),
        (f"denied: {LONG[:9]}... and more", "denied: ***... and more"),
        (f'denied: "{LONG[:9]}"… and more', 'denied: "***"… and more'),
        (f"denied: {LONG[:9]} [truncated 12 bytes]", "denied: *** [truncated 12 bytes]"),
        (f"denied: {base64.b64encode(LONG.encode()).decode()[:30]}...", "denied: ***..."),
        (f"denied: {LONG[:30]} and more", f"denied: {LONG[:30]} and more"),
        (f"denied: {LONG[:9]}", f"denied: {LONG[:9]}"),
        ("denied: ...", "denied: ..."),
    ],
)
def test_the_beginning_of_what_was_cut(cut: str, masked: str) -> None:
    assert redactor(LONG).mask(cut) == masked


def test_the_beginning_of_an_escaped_one() -> None:
    secret = 'say "friend" and enter, but mind the balrog'
    assert redactor(secret).mask(json.dumps(secret)[:30] + "...") == '"***...'


# -- what programs read


def test_of_an_object_neither_keys_nor_names_are_masked() -> None:
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "receivers", "namespace": "metadata", "labels": {"receivers": "receivers"}},
        "spec": {"replicas": 2, "text": 'a\n"receivers":\nb', "metadata": ["Deployment", True, None, 1.5]},
    }
    one = values("receivers", "metadata", "apps", "Deployment", "apps/v1", "true", "2222")
    assert one.mask_object(obj) == {
        **obj,
        "metadata": {"name": "receivers", "namespace": "metadata", "labels": {"receivers": MASK}},
        "spec": {"replicas": 2, "text": 'a\n"***":\nb', "metadata": [MASK, True, None, 1.5]},
    }


def test_names_are_names_where_they_stand_and_text_elsewhere() -> None:
    one = values("receivers")
    assert one.mask_object({"metadata": "receivers", "kind": ["receivers"]}) == {"metadata": MASK, "kind": [MASK]}
    assert one.mask_object({"metadata": ["receivers"], "kind": "receivers"}) == {
        "metadata": [MASK],
        "kind": "receivers",
    }
    names = {"name": "receivers", "namespace": "receivers", "generateName": "receivers", "uid": "receivers"}
    assert one.mask_object({"metadata": names})["metadata"] == {**names, "uid": MASK}
    inner = {"spec": {"kind": "receivers", "metadata": {"name": "receivers"}}}
    assert one.mask_object(inner) == {"spec": {"kind": MASK, "metadata": {"name": MASK}}}


def test_a_name_made_from_a_secret_is_masked_in_its_place() -> None:
    one = values("correct-horse-battery")
    obj = {"kind": "Thing", "metadata": {"name": "of-correct-horse-battery", "namespace": "shop"}}
    assert one.mask_object(obj) == {"kind": "Thing", "metadata": {"name": "of-***", "namespace": "shop"}}


def test_of_a_result_what_programs_read_stays() -> None:
    words = ("apps", "Deployment", "shop", "shop-web", "k8s", "configured", "web.yaml", "apps/v1", "Error")
    reference = Reference("apps/v1", "Deployment", "shop", "shop-web", "k8s/web.yaml", 3)
    entry = ObjectResult(reference, "configured", "failed", "shop says Error", 1.0, "Error")
    assert values(*words).mask_all(entry) == replace(entry, message="*** says ***")
    finding = Finding(reference, "Error", "shop", pod="shop-web-1", container="shop", image="shop:1", node="shop")
    assert values(*words).mask_all(finding) == replace(finding, message=MASK)


def test_what_is_too_long_to_be_there_by_chance_is_masked_in_names_too() -> None:
    one = values("correct-horse-battery")
    assert one.mask_name("x-correct-horse-battery") == "x-***"
    assert one.mask_name(base64.b64encode(b"correct-horse-battery").decode()) == MASK


@pytest.mark.parametrize(
    ("place", "masked"),
    [
        *(("k8s/shop.yaml:3", "k8s/shop.yaml:3"), ("deployment/shop/web", "deployment/shop/web")),
        *(("k8s/my shop.yaml:3: pod/shop", "k8s/my shop.yaml:3: pod/shop"), ("--var A=shop", "--var A=***")),
    ],
)
def test_places(place: str, masked: str) -> None:
    assert values("shop").mask_place(place) == masked


# -- for any secrets and any object

telling = st.text(st.characters(exclude_categories=("Cs",)), min_size=4, max_size=24).map(str.strip)
SECRETS = st.lists(telling.filter(lambda text: len(text) >= 4 and is_telling(text)), min_size=1, max_size=5)


def written(secret: str) -> list[str]:
    """Ways to write it, made here anew."""
    once = json.dumps(secret)[1:-1]
    plain = base64.b64encode(secret.encode()).decode()
    return [
        *(secret, once, json.dumps(once)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)),
        *(plain, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)),
    ]


@st.composite
def secrets_and_object(draw):
    chosen = draw(SECRETS)
    parts = st.one_of(st.sampled_from([form for one in chosen for form in written(one)]), st.text(max_size=6))
    texts = st.lists(parts, max_size=4).map("".join)
    leaves = st.one_of(texts, st.integers(), st.booleans(), st.none())
    keys = st.one_of(texts, st.sampled_from(["kind", "metadata", "name"]))
    return chosen, draw(
        st.dictionaries(keys, st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner)))
    )


def shape(value: object) -> object:
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    return [shape(entry) for entry in value] if isinstance(value, list) else type(value)


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for entry in value.values() for text in texts(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in texts(entry)]
    return [value] if isinstance(value, str) else []


@given(secrets_and_object())
def test_any_object_keeps_its_shape_and_loses_its_secrets(given_) -> None:
    chosen, obj = given_
    one = values(*chosen)
    masked = one.mask_object(obj)
    assert json.loads(json.dumps(masked)) == masked
    assert shape(masked) == shape(obj)
    identity = {"kind", "apiVersion", "metadata"}
    held = texts({key: entry for key, entry in masked.items() if key not in identity})
    for secret in chosen:
        if secret.lower() not in OWN_WORDS:
            assert [text for text in held for form in written(secret) if form in text] == []


@given(secrets_and_object())
def test_masking_twice_is_masking_once(given_) -> None:
    chosen, obj = given_
    one = values(*chosen)
    masked = one.mask_object(obj)
    assert one.mask_object(masked) == masked
    for text in texts(obj):
        assert one.mask(one.mask(text)) == one.mask(text)


@given(secrets_and_object(), st.randoms(), st.data())
def test_the_order_of_adding_is_no_matter(given_, random, data) -> None:
    chosen, obj = given_
    names = data.draw(st.lists(st.sampled_from(chosen), max_size=2))
    one, other = values(*chosen, names=tuple(names)), Redactor()
    for number, secret in random.sample([*enumerate(chosen)], len(chosen)):
        other.add_values([SecretValue(secret, f"key {number}")])
        other.spare(*names[:1])
    other.spare(*names)
    assert one.mask_object(obj) == other.mask_object(obj)
    assert [one.mask(text) for text in texts(obj)] == [other.mask(text) for text in texts(obj)]
    assert {*one.settle()} == {*other.settle()}


def test_threads_may_add_while_others_mask() -> None:
    one = redactor("known-before")
    wrong: list[str] = []

    def mask() -> None:
        for _ in range(200):
            shown = one.mask("x known-before y")
            if shown != "x *** y":
                wrong.append(shown)

    def add(number: int) -> None:
        for each in range(50):
            one.add(f"added-{number}-{each}")
            one.add_values([SecretValue(f"value-{number}-{each}")])
            one.spare(f"value-{number}-{each}")

    threads = [Thread(target=mask), Thread(target=mask), *(Thread(target=add, args=(number,)) for number in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert one.mask("added-1-49 value-1-49") == "*** value-1-49"
