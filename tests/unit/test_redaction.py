from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference
from k8s_step.redaction import MASK, Redactor
from k8s_step.report.result import ObjectResult, Result

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


@pytest.mark.parametrize("width", [64, 76])
def test_each_line_of_wrapped_base64(width: int) -> None:
    encoded = base64.b64encode(bytes(range(256))).decode()
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    masked = redactor(bytes(range(256))).mask("\n".join(f"  {line}" for line in lines))
    assert masked.splitlines() == [f"  {MASK}"] * len(lines)


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
