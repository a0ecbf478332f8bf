"""GitHub's ID token: asked for once, renewed in time, refused in plain words, and never shown."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.connection.identity.credentials import Credential
from k8s_step.connection.identity.idtoken import IdToken
from k8s_step.connection.settings import Connection, TokenEndpoint, User
from k8s_step.errors import ExitCode, StepError, StoppedError, UnauthorizedError, UnreachableError
from k8s_step.redaction import Redactor
from tests.unit.connection.identity.test_oidc import jwt
from tests.unit.loopback import Exchange, Handler, Loopback, in_turn

REQUEST = "s3cr3t-request-token"


class GitHub:
    """An endpoint whose tokens live ``seconds``, by a clock that stands still."""

    def __init__(self) -> None:
        self.stack = contextlib.ExitStack()
        self.now = 1_000_000.0
        self.given = 0
        self.slept: list[float] = []
        self.redactor = Redactor()

    def token(self, number: int, seconds: float = 300) -> str:
        return jwt({"iss": "https://github", "aud": "k8s", "jti": number, "exp": self.now + seconds})

    def giving(self, seconds: float = 300) -> Handler:
        def give(exchange: Exchange) -> None:
            self.given += 1
            exchange.reply(200, {"count": 1, "value": self.token(self.given, seconds)})

        return give

    def endpoint(self, *handlers: Handler) -> TokenEndpoint:
        self.server = self.stack.enter_context(Loopback(in_turn(*handlers)))
        return TokenEndpoint(f"{self.server.url}/id?api-version=2.0&audience=k8s", REQUEST)

    def source(self, *handlers: Handler) -> IdToken:
        made = IdToken(self.endpoint(*handlers), self.redactor, clock=lambda: self.now, sleep=self.slept.append)
        self.stack.callback(made.close)
        return made


@pytest.fixture
def github() -> Iterator[GitHub]:
    made = GitHub()
    with made.stack:
        yield made


def refused(source: IdToken) -> StepError:
    with pytest.raises(StepError) as caught:
        source.current()
    assert REQUEST not in str(caught.value) + repr(caught.value) + str(vars(caught.value))
    return caught.value


def replying(code: int, body: Any = b"{}", *headers: str) -> Handler:
    return lambda exchange: exchange.reply(code, body, *headers)


class TestAsking:
    def test_what_goes_over_the_wire(self, github: GitHub) -> None:
        source = github.source(github.giving())
        token = github.token(1)
        assert github.redactor.mask(REQUEST) == "***", "before anything is asked"
        assert source.current().authorization == f"Bearer {token}"
        (exchange,) = github.server.exchanges
        assert (exchange.method, exchange.target) == ("GET", "/id?api-version=2.0&audience=k8s")
        assert exchange.header("Authorization") == f"Bearer {REQUEST}"
        assert github.redactor.mask(f"{token} {token.split('.')[1]}").startswith("***")

    def test_by_the_environments_proxy(self, github: GitHub) -> None:
        github.endpoint(github.giving())
        url = "http://github.invalid/id?api-version=2.0&audience=k8s"
        source = IdToken(TokenEndpoint(url, REQUEST, github.server.url), Redactor(), clock=lambda: github.now)
        github.stack.callback(source.close)
        assert source.current().authorization == f"Bearer {github.token(1)}"
        assert [exchange.target for exchange in github.server.exchanges] == [url]

    def test_once_for_all_threads(self, github: GitHub) -> None:
        source = github.source(github.giving())
        found: list[Credential] = []
        threads = [threading.Thread(target=lambda: found.append(source.current())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(found), len(set(map(id, found))), github.given) == (8, 1, 1)

    @pytest.mark.parametrize("trouble", [500, 502, 503, 504, 429])
    def test_again_where_that_may_help(self, github: GitHub, trouble: int) -> None:
        source = github.source(replying(trouble), replying(trouble, b"{}", "Retry-After: 3"), github.giving())
        assert source.current().authorization == f"Bearer {github.token(1)}"
        assert len(github.slept) == 2 and 0 <= github.slept[0] < 1 <= 3 <= github.slept[1] < 4

    def test_again_after_a_cut_connection(self, github: GitHub) -> None:
        source = github.source(Exchange.close, github.giving())
        assert source.current().authorization == f"Bearer {github.token(1)}"

    def test_not_for_ever(self, github: GitHub) -> None:
        error = refused(github.source(replying(500)))
        assert isinstance(error, UnreachableError) and error.exit_code is ExitCode.UNREACHABLE
        assert "no ID token from GitHub: 127.0.0.1: it answered 500" in str(error)
        assert len(github.server.exchanges) == 5
        assert "no ID token" in str(refused(github.source(replying(503, b"{}", "Retry-After: 3600"))))
        assert len(github.server.exchanges) == 1

    def test_nobody_there(self, github: GitHub) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        source = IdToken(TokenEndpoint(f"http://127.0.0.1:{port}/", REQUEST), Redactor(), sleep=github.slept.append)
        error = refused(source)
        assert "127.0.0.1: connection refused" in str(error) and "HTTPS_PROXY" in str(error)
        assert len(github.slept) == 2

    @pytest.mark.parametrize(
        ("code", "body", "told"),
        [
            (401, b"", ["answered 401 (is ACTIONS_ID_TOKEN_REQUEST_TOKEN of this very job"]),
            (403, {"message": f"no, {REQUEST}!"}, ["answered 403: no, ***!", "permissions: id-token: write"]),
            (400, {"message": "Can't issue for audience k8s"}, ["400: Can't issue for audience k8s", "that audience"]),
            (302, b"", ["answered 302"]),
            (404, b"<html>", ["answered 404 ("]),
        ],
    )
    def test_refused(self, github: GitHub, code: int, body: Any, told: list[str]) -> None:
        error = refused(github.source(replying(code, body)))
        assert isinstance(error, UnauthorizedError) and error.exit_code is ExitCode.REFUSED
        assert all(words in str(error) for words in (*told, "--oidc-audience", "GitHub refuses")), str(error)
        assert len(github.server.exchanges) == 1

    @pytest.mark.parametrize("body", [b"<html>", {}, {"value": ""}, {"value": 7}])
    def test_an_answer_without_a_token(self, github: GitHub, body: Any) -> None:
        assert "it answered without one" in str(refused(github.source(replying(200, body))))

    def test_a_token_no_header_can_carry(self, github: GitHub) -> None:
        error = refused(github.source(replying(200, {"value": "tw0 s3cr3t-words"})))
        assert "s3cr3t-words" not in str(error)


class TestRenewal:
    def test_a_minute_before_its_end(self, github: GitHub) -> None:
        source = github.source(github.giving(300))
        first = source.current()
        github.now += 239
        assert source.current() is first
        github.now += 2
        assert source.current() != first and github.given == 2

    def test_the_old_one_serves_while_it_lasts(self, github: GitHub) -> None:
        source = github.source(github.giving(300), replying(403), replying(403), github.giving(300))
        first = source.current()
        github.now += 250
        assert source.current() is first
        assert source.current() is first, "and GitHub is not asked at each request"
        assert len(github.server.exchanges) == 2
        github.now += 51
        assert "403" in str(refused(source)) and "403" in str(refused(source)), (
            "told again, and not asked again at once"
        )
        assert len(github.server.exchanges) == 3
        github.now += 2
        assert source.current() != first

    def test_after_a_401(self, github: GitHub) -> None:
        source = github.source(github.giving())
        first = source.current()
        assert source.refresh(first)
        assert source.current() != first and github.given == 2


class TestClient:
    @staticmethod
    def client(github: GitHub, api: Loopback, *handlers: Handler) -> Client:
        user = User(id_token=github.endpoint(*handlers))
        made = Client(Connection(api.url, "test", user=user), redactor=github.redactor)
        github.stack.callback(made.close)
        return made

    def test_a_401_asks_for_another_once(self, github: GitHub) -> None:
        with Loopback(in_turn(replying(401), replying(200))) as api:
            self.client(github, api, github.giving()).send(Request("GET", "/version"))
            sent = [exchange.header("Authorization") for exchange in api.exchanges]
        assert (len(set(sent)), len(sent), github.given) == (2, 2, 2)

    def test_a_401_that_stays_names_issuer_and_audience(self, github: GitHub) -> None:
        github.now = 4_000_000_000.0  # so that the token has not ended by the real clock
        with Loopback(replying(401)) as api, pytest.raises(UnauthorizedError) as caught:
            self.client(github, api, github.giving()).send(Request("GET", "/version"))
        assert len(api.exchanges) == 2
        assert "of issuer https://github for audience k8s: does this server trust" in str(caught.value)

    def test_closing_ends_a_wait_for_github(self, github: GitHub) -> None:
        asked = threading.Event()

        def hang(exchange: Exchange) -> None:
            asked.set()
            github.server.ended.wait(60)

        with Loopback(replying(200)) as api:
            client = self.client(github, api, hang)
            threading.Thread(target=lambda: (asked.wait(60), client.close()), daemon=True).start()
            with pytest.raises(StoppedError):
                client.send(Request("GET", "/version"))
        assert not api.exchanges
