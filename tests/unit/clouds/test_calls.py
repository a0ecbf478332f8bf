"""Calls to a cloud: what is sent again, what is said of a refusal, and where no secret goes."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from k8s_step.clouds.calls import Call, Caller, said
from k8s_step.errors import ExitCode, InputError, StoppedError, UnauthorizedError, UnreachableError
from k8s_step.redaction import Redactor
from tests.clouds.hosts import Hosts
from tests.unit.loopback import Exchange, Handler, in_turn

HOST = "api.example.com"


def call(url: str = f"https://{HOST}/things?a=b", **more: Any) -> Call:
    return Call("The service", "a thing", "GET", url, **more)


def replying(code: int, body: Any = b"{}", *headers: str) -> Handler:
    return lambda exchange: exchange.reply(code, body, *headers)


def caller(hosts: Hosts, sleep: Callable[[float], object] = lambda _: None) -> Caller:
    return Caller(hosts.environ, Redactor(), "--x-cluster", sleep=sleep)


def test_what_goes_over_the_wire() -> None:
    with Hosts({HOST: replying(200, {"a": 1})}) as hosts:
        assert caller(hosts).ask(call(headers={"X-A": "b"})) == {"a": 1}
    (exchange,) = hosts.exchanges
    assert (exchange.target, exchange.header("Host"), exchange.header("X-A")) == ("/things?a=b", HOST, "b")
    assert (exchange.header("User-Agent") or "").startswith("k8s-step/")


@pytest.mark.parametrize("trouble", [replying(429), replying(500), replying(503), Exchange.close])
def test_again_where_that_may_help(trouble: Handler) -> None:
    slept: list[float] = []
    with Hosts({HOST: in_turn(trouble, replying(200, {"a": 1}))}) as hosts:
        assert caller(hosts, slept.append).ask(call()) == {"a": 1}
    assert len(slept) == 1


def test_aws_throttles_by_a_code() -> None:
    xml = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    with Hosts({HOST: in_turn(replying(400, xml), replying(200))}) as hosts:
        assert caller(hosts).ask(call()) == {}


def test_not_for_ever_and_not_where_told_so() -> None:
    with Hosts({HOST: replying(500)}) as hosts:
        with pytest.raises(UnreachableError) as caught:
            caller(hosts).ask(call())
        assert caught.value.exit_code is ExitCode.UNREACHABLE and len(hosts.exchanges) > 1
        assert "no answer from The service to a thing: api.example.com: it answered 500" in str(caught.value)
        before = len(hosts.exchanges)
        with pytest.raises(UnreachableError):
            caller(hosts).ask(call(patient=False))
        assert len(hosts.exchanges) == before + 1


def test_the_runs_deadline_bounds_it_and_what_comes_after_it_has_its_own_patience() -> None:
    """A rollback needs tokens once the run's time is up."""
    now = 100.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    with Hosts({HOST: replying(429)}) as hosts:
        asking = Caller(hosts.environ, Redactor(), "--x-cluster", deadline=101, clock=lambda: now, sleep=sleep)
        assert (asking.end(0.5), asking.end(10), asking.end(30)) == (100.5, 101, 101)
        with pytest.raises(UnreachableError):
            asking.ask(call())
        assert 100 < now < 101
        now = 102.0
        assert asking.end(30) == 132
        with pytest.raises(UnreachableError):
            asking.ask(call())
        assert now > 112


def test_closing_ends_it() -> None:
    with Hosts({HOST: replying(500)}) as hosts:
        asking = caller(hosts)
        asking.close()
        with pytest.raises(StoppedError):
            asking.ask(call())


def test_a_refusal_has_the_clouds_words_and_the_next_move() -> None:
    body = {"error": {"status": "DENIED", "message": "no, s3cr3t-token!", "code": 403}}
    with Hosts({HOST: replying(403, body)}) as hosts:
        asking = caller(hosts)
        asking.redactor.add("s3cr3t-token")
        with pytest.raises(UnauthorizedError) as caught:
            asking.ask(call(hints={"DENIED": "ask for it", "*": "anything"}))
    assert str(caught.value) == "--x-cluster: The service refuses a thing: DENIED: no, ***! (ask for it)"
    assert caught.value.exit_code is ExitCode.REFUSED and caught.value.reason == "DENIED"


@pytest.mark.parametrize(
    ("hints", "hint"),
    [
        ({"DENIED": "by code"}, "by code"),
        ({"DENIED": "by code", "not today": "by words"}, "by words"),
        ({"E123": "by number"}, "by number"),
        ({"other": "x", "*": "anything"}, "anything"),
        ({}, None),
    ],
)
def test_hints(hints: dict[str, str], hint: str | None) -> None:
    with (
        Hosts({HOST: replying(400, {"error": "DENIED", "error_description": "E123: not today"})}) as hosts,
        pytest.raises(UnauthorizedError) as caught,
    ):
        caller(hosts).ask(call(hints=hints))
    assert caught.value.hint == hint


def test_what_is_no_cloud_is_not_quoted() -> None:
    with Hosts({HOST: replying(403, b"<html>your token was s3cr3t</html>")}) as hosts:
        with pytest.raises(UnauthorizedError) as caught:
            caller(hosts).ask(call())
        assert str(caught.value) == "--x-cluster: The service refuses a thing: it answered 403"
        hosts.hosts[HOST] = replying(200, b"<html>")
        with pytest.raises(UnreachableError) as misanswered:
            caller(hosts).ask(call())
    assert "answered a thing without it" in str(misanswered.value)


@pytest.mark.parametrize(
    ("raw", "headers", "code", "message"),
    [
        (b'{"message": "m"}', {"x-amzn-ErrorType": "NotFound:http://x"}, "NotFound", "m"),
        (b'{"__type": "com.amazon#Denied", "Message": "m"}', {}, "Denied", "m"),
        (b"<Error><Code>A&amp;B</Code>\n<Message>m</Message></Error>", {}, "A&B", "m"),
        (b'{"error": {"code": "X", "message": "m"}}', {}, "X", "m"),
        (b'{"error": {"code": 403, "status": "Y", "message": "m"}}', {}, "Y", "m"),
        (b'{"error": "z", "error_description": "m\\r\\nTrace ID: 1"}', {}, "z", "m"),
        (b'{"error": "z"}', {}, "z", ""),
        (b"[]", {}, "", ""),
        (b"\xff", {}, "", ""),
    ],
)
def test_the_forms_of_errors(raw: bytes, headers: dict[str, str], code: str, message: str) -> None:
    assert said(raw, headers) == (code, message)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "http://[::1]/",
        "ftp://x/",
        "https://u@x/",
    ],
)
@pytest.mark.parametrize("environ", [{}, {"K8S_STEP_TEST_CLOUDS": "http://collector.example.com"}])
def test_no_secret_goes_in_clear_or_to_this_machine(url: str, environ: dict[str, str]) -> None:
    """But where the tests' own variable says so, and that only of a loopback address."""
    with pytest.raises(InputError) as caught:
        Caller(environ, Redactor(), "--x-cluster").send(call(url))
    assert "is no https URL of a cloud's service" in str(caught.value)


@pytest.mark.parametrize(
    "server", ["http://192.0.2.1", "https://127.0.0.1:6443", "https://localhost", "192.0.2.1:6443"]
)
def test_no_token_goes_in_clear_or_to_this_machine(server: str) -> None:
    """Wherever the cloud says that the cluster is."""
    for environ in ({}, {"K8S_STEP_TEST_CLOUDS": "http://collector.example.com"}):
        with pytest.raises(InputError) as caught:
            Caller(environ, Redactor(), "--x-cluster").checked_server(server)
        assert "gets no token" in str(caught.value)
    with Hosts({}) as hosts:
        assert caller(hosts).checked_server(server) == server


def test_a_cluster_in_a_private_network_is_one() -> None:
    for server in ("https://10.0.0.2", "https://gke-1.europe-west1.gke.goog"):
        assert Caller({}, Redactor(), "--x-cluster").checked_server(server) == server


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_secret_within_another_is_masked_whichever_is_known_first(order: tuple[int, ...]) -> None:
    """A token of EKS holds a URL, that holds the session's token and a signature."""
    session, signature = "FQoGZXIvYXdzEBYa+/session==", "0123456789abcdef" * 4
    url = (
        f"https://sts.eu-central-1.amazonaws.com/?X-Amz-Security-Token={quote(session, '')}&X-Amz-Signature={signature}"
    )
    token = f"k8s-aws-v1.{base64.urlsafe_b64encode(url.encode()).decode().rstrip('=')}"
    redactor = Redactor()
    for each in order:
        redactor.add((session, signature, url, token)[each])
    assert redactor.mask(f"a {token} b {url} c {session} d {signature}") == "a *** b *** c *** d ***"
