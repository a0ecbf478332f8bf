from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.inputs import Inputs, idle, resolve, secrets
from k8s_step.options import APPLY, CONNECTION, RUN, SCALE, Option

ALL = (*APPLY, *CONNECTION)


def read(flags: dict[str, Any] | None = None, **environ: str) -> Inputs:
    return resolve(ALL, flags or {}, environ)


def test_nothing_given_is_the_defaults() -> None:
    assert read() == Inputs()


def test_the_order_is_flag_github_ours_default() -> None:
    names = {"INPUT_NAMESPACE": "github", "K8S_NAMESPACE": "ours"}
    assert read({"namespace": "flag"}, **names).namespace == "flag"
    assert read(**names).namespace == "github"
    assert read(K8S_NAMESPACE="ours").namespace == "ours"
    assert read().namespace is None


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_empty_is_unset(empty: str) -> None:
    environ = {"INPUT_NAMESPACE": empty, "K8S_NAMESPACE": "ours"}
    assert read({"namespace": empty, "filename": (empty,)}, **environ).namespace == "ours"
    assert read({"filename": (empty,)}, K8S_FILENAME="k8s/").filename == ("k8s/",)


@pytest.mark.parametrize(
    ("variable", "field", "value"),
    [
        ("K8S_API", "server", "https://k8s.example"),
        ("K8S_SERVER", "server", "https://k8s.example"),
        ("INPUT_SERVER", "server", "https://k8s.example"),
        ("K8S_TOKEN", "token", "t"),
        ("INPUT_TOKEN-FILE", "token_file", "/run/token"),
        ("K8S_TOKEN_FILE", "token_file", "/run/token"),
        ("K8S_CA", "ca", "PEM"),
        ("K8S_CONTEXT", "context", "kind"),
        ("K8S_AS", "impersonate_user", "jane"),
        ("K8S_FIELD_MANAGER", "field_manager", "ci"),
        ("INPUT_FIELD-MANAGER", "field_manager", "ci"),
        ("K8S_REPORT", "report", "result.json"),
        ("K8S_JUNIT", "junit", "junit.xml"),
    ],
)
def test_text_by_variable(variable: str, field: str, value: str) -> None:
    assert getattr(read(**{variable: f" {value}\n"}), field) == value


def test_github_keeps_hyphens_and_ours_do_not() -> None:
    option = next(option for option in ALL if option.name == "force-conflicts")
    assert option.all_variables == ("INPUT_FORCE-CONFLICTS", "K8S_FORCE_CONFLICTS")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.yaml", ("a.yaml",)), ("a.yaml\n b/ \n\n", ("a.yaml", "b/")), ("a.yaml, b.yaml", ("a.yaml", "b.yaml"))],
)
def test_lists_by_lines_or_commas(text: str, expected: tuple[str, ...]) -> None:
    assert read(K8S_FILENAME=text).filename == expected


def test_no_commas_where_values_hold_them() -> None:
    assert read(K8S_VAR="HOSTS=a,b\nTAG=1").variables == ("HOSTS=a,b", "TAG=1")
    assert read(K8S_HEADERS="X-A: 1, 2\nX-B: 3").header == (("X-A", "1, 2"), ("X-B", "3"))


def test_repeated_flags_are_taken_as_they_are() -> None:
    assert read({"filename": ("a,b.yaml", "c.yaml")}).filename == ("a,b.yaml", "c.yaml")


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "on", " true "])
def test_switches_on(word: str) -> None:
    assert read(K8S_DRY_RUN=word).dry_run is True


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "off"])
def test_switches_off(word: str) -> None:
    assert read(K8S_WAIT=word).wait is False


def test_a_flag_that_says_no_is_given() -> None:
    assert read({"wait": False}, K8S_WAIT="true").wait is False


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("90", 90), ("0.5", 0.5), ("1.5h", 5400), ("1h1m1s", 3661), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert read(K8S_TIMEOUT=text).timeout == seconds


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("K8S_TIMEOUT", "soon"),
        ("K8S_TIMEOUT", "5 m"),
        ("K8S_TIMEOUT", "500ms"),
        ("K8S_TIMEOUT", "1d"),
        ("K8S_TIMEOUT", "-5s"),
        ("K8S_TIMEOUT", "30m1h"),
        ("K8S_TIMEOUT", "nan"),
        ("K8S_TIMEOUT", "inf"),
        ("K8S_CONCURRENCY", "0"),
        ("K8S_CONCURRENCY", "-1"),
        ("K8S_CONCURRENCY", "1.5"),
        ("K8S_CONCURRENCY", "²"),
        ("K8S_CONCURRENCY", "many"),
        ("K8S_DRY_RUN", "maybe"),
        ("K8S_LOG_FORMAT", "xml"),
        ("INPUT_DRY-RUN", "server"),
    ],
)
def test_what_is_wrong_names_the_variable(variable: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(**{variable: text})
    assert caught.value.where == variable
    assert repr(text) in str(caught.value)


def test_what_is_wrong_names_the_flag() -> None:
    with pytest.raises(InputError) as caught:
        read({"request_timeout": "soon"})
    assert caught.value.where == "--request-timeout"


def test_inputs_keep_their_secrets() -> None:
    assert "s3cr3t" not in repr(read(K8S_TOKEN="s3cr3t", K8S_KUBECONFIG="s3cr3t"))


def test_secrets_are_known_whatever_else_is_wrong() -> None:
    environ = {"K8S_TOKEN": "two", "INPUT_TOKEN": "three", "K8S_TIMEOUT": "soon"}
    assert {"one", "two", "three"} <= set(secrets({"token": "one"}, environ))


def test_headers() -> None:
    given = ("X-Pipeline: job-42", "x-a:b: c ", "X-Empty:")
    assert read({"header": given}).header == (("X-Pipeline", "job-42"), ("x-a", "b: c"), ("X-Empty", ""))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("s3cr3t", "a header is written Name: value"),
        (": s3cr3t", "a header is written Name: value"),
        ("X Y: s3cr3t", "a header is written Name: value"),
        ("X-A: s3cr3t\r\nHost: evil", "the value of the header X-A holds what no request header can"),
        ("X-A: s3cr3t✓", "the value of the header X-A holds what no request header can"),
        ("X-A: s3cr3té", "the value of the header X-A holds what no request header can"),
        ("X-A: s3\tcr3t", "the value of the header X-A holds what no request header can"),
        ("X-A: s3cr3t\t", "the value of the header X-A holds what no request header can"),
        ("Authorization: s3cr3t", "the header Authorization is the step's own"),
        ("host: s3cr3t", "the header host is the step's own"),
    ],
)
def test_headers_that_are_none_are_not_echoed(line: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read({"header": (line,)})
    assert (caught.value.where, "s3cr3t" in str(caught.value)) == ("--header", False)
    assert words in caught.value.message


@pytest.mark.parametrize("variable", ["K8S_HEADER", "K8S_HEADERS", "INPUT_HEADER"])
def test_the_variable_of_a_header_is_named(variable: str) -> None:
    with pytest.raises(InputError) as caught:
        read(**{variable: "X-B: 1\nX-A: café"})
    assert (caught.value.where, "\n" in str(caught.value)) == (variable, False)


@pytest.mark.parametrize(("variable", "text"), [("K8S_AS", "jürgen"), ("K8S_AS_GROUP", "ops, a\tb")])
def test_whom_to_impersonate_goes_into_a_header(variable: str, text: str) -> None:
    with pytest.raises(InputError, match="what no request header can") as caught:
        read(**{variable: text})
    assert caught.value.where == variable


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"INPUT_REPLICAS": "3"}, ["replicas"]),
        ({"INPUT_REPLICAS": " ", "INPUT_RM": "", "INPUT_ON-CANCEL": ""}, []),
        ({"INPUT_RM": "false"}, []),
        ({"INPUT_RM": "true", "INPUT_ON-CANCEL": "leave"}, ["rm", "on-cancel"]),
        ({"INPUT_WAIT": "false", "INPUT_NAMESPACE": "shop"}, []),
        ({"K8S_REPLICAS": "3", "INPUT_COMMAND": "apply", "INPUT_UNKNOWN": "x"}, []),
    ],
)
def test_inputs_that_a_command_does_not_take(environ: dict[str, str], names: list[str]) -> None:
    assert idle(ALL, (*RUN, *SCALE, *RUN), environ) == names


@pytest.mark.parametrize("option", ALL, ids=lambda option: option.name)
def test_every_option_has_its_place(option: Option) -> None:
    assert option.field in Inputs._fields
    default = getattr(Inputs(), option.field)
    assert default == option.default, "the table and the inputs agree"
    assert option.help
