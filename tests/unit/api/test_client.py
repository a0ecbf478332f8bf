"""The client against servers that behave, misbehave, hang and lie."""

from __future__ import annotations

import contextlib
import gzip
import queue
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from k8s_step.api.client import Client, Manner, Pace
from k8s_step.api.request import Answer, Request
from k8s_step.connection.identity.credentials import Certificate, Credential
from k8s_step.connection.settings import Connection, ExecPlugin, Impersonation, User
from k8s_step.errors import (
    AnswerLostError,
    ApiError,
    ConflictError,
    ExitCode,
    ForbiddenError,
    GoneError,
    InputError,
    InvalidError,
    NotFoundError,
    StepError,
    StoppedError,
    ThrottledError,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
    UnsupportedMediaTypeError,
)
from k8s_step.redaction import Redactor
from tests.conftest import poll
from tests.controlplane.pki import Authority
from tests.socks5 import Socks5
from tests.unit.loopback import Exchange, Handler, Loopback, in_turn, server_tls

SECRET = "s3cr3t-t0ken-value"
PAGE = f"<html>You sent Authorization: Bearer {SECRET}</html>".encode()
GET = Request("GET", "/api/v1/pods", where="pod/shop/web")
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}}
CREATE = Request("POST", "/api/v1/pods", body=b"{}", retry=False, where="pod/shop/web")


class Clock:
    """Time that passes only by sleeping; ``slept`` is how long each time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Bench:
    """Makes servers and clients, and ends them."""

    def __init__(self) -> None:
        self.stack = contextlib.ExitStack()
        self.clock = Clock()
        self.said: list[str] = []

    def server(self, *handlers: Handler, tls: ssl.SSLContext | None = None) -> Loopback:
        return self.stack.enter_context(Loopback(in_turn(*handlers), tls))

    def client(self, server: str, *, request_timeout: float = 10.0, **settings: Any) -> Client:
        options = {key: settings.pop(key) for key in ("concurrency", "headers") if key in settings}
        manner = Manner(request_timeout, **options)
        redactor = settings.pop("redactor", None)
        pace = Pace() if settings.pop("own_sleep", False) else Pace(self.clock, lambda: 1.0, self.clock.sleep)
        known = settings.pop("credentials", None)
        connection = Connection(server, "test", **settings)
        client = Client(connection, manner, redactor=redactor, notice=self.said.append, pace=pace, credentials=known)
        self.stack.callback(client.close)
        return client


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    with made.stack:
        yield made


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the cluster")


@pytest.fixture(scope="module")
def stranger() -> Authority:
    return Authority("somebody else")


def ok(exchange: Exchange) -> None:
    exchange.reply(200, {"kind": "PodList", "items": []} if exchange.method == "GET" else POD)


def replying(code: int, body: Any = None, *headers: str, content_type: str = "application/json") -> Handler:
    status = {"kind": "Status", "message": f"said {code}", "reason": "Why", "details": {"causes": [{"field": "a"}]}}
    return lambda exchange: exchange.reply(code, status if body is None else body, *headers, content_type=content_type)


def cut(exchange: Exchange) -> None:
    exchange.close()


def test_what_a_server_forbids_right_after_an_outage_is_asked_again(bench: Bench) -> None:
    """It may have started anew, and not have read the roles yet."""
    client = bench.client(bench.server(ok, cut, replying(403), replying(403), ok).url)
    assert [client.send(GET).code for _ in range(2)] == [200, 200]


def test_what_it_goes_on_forbidding_is_forbidden(bench: Bench) -> None:
    client = bench.client(bench.server(ok, cut, replying(403)).url)
    client.send(GET)
    began = bench.clock.now
    assert isinstance(failed(client), ForbiddenError)
    assert bench.clock.now - began <= 12


def test_what_is_forbidden_without_an_outage_is_not_asked_again(bench: Bench) -> None:
    client = bench.client(bench.server(ok, replying(403)).url)
    client.send(GET)
    assert isinstance(failed(client), ForbiddenError) and bench.clock.slept == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"kind": "Pod", "apiVersion": "v1", "metadata": "a"}, "metadata is a string, not an object"),
        ({"kind": "Pod", "apiVersion": "v1", "spec": []}, "spec is a list, not an object"),
        (b"[" * 100_000, "the answer broke off"),
    ],
)
def test_what_is_json_and_no_object_of_kubernetes_is_asked_for_again(body: Any, told: str, bench: Bench) -> None:
    client = bench.client(bench.server(ok, replying(200, body), ok).url)
    assert client.send(GET).code == client.send(GET).code == 200
    server = bench.server(replying(200, body))
    assert told in str(failed(bench.client(server.url), GET))


APPLY = Request("PATCH", "/api/v1/namespaces/shop/pods/web", body=b"{}", where="pod/shop/web")
READ = Request("GET", "/api/v1/namespaces/shop/pods/web", where="pod/shop/web")
NAMELESS = [{}, {"kind": "Pod"}, {"kind": "Pod", "metadata": {}}, {"kind": "Status", "status": "Success"}]


@pytest.mark.parametrize("body", NAMELESS, ids=str)
@pytest.mark.parametrize("request_", [APPLY, READ], ids=["a write", "a read"])
def test_an_object_without_a_name_is_asked_for_again(request_: Request, body: Any, bench: Bench) -> None:
    answer = bench.client(bench.server(replying(200, body), replying(200, POD)).url).send(request_)
    assert answer.body == POD
    told = failed(bench.client(bench.server(replying(200, body)).url), request_)
    assert isinstance(told, UnreachableError) and "no answer of Kubernetes' own: it has no metadata.name" in str(told)


@pytest.mark.parametrize("body", NAMELESS, ids=str)
def test_a_creation_answered_without_a_name_may_have_been_done(body: Any, bench: Bench) -> None:
    server = bench.server(replying(201, body))
    assert isinstance(failed(bench.client(server.url), CREATE), AnswerLostError) and len(server.exchanges) == 1


@pytest.mark.parametrize(
    ("method", "path", "accept", "is_of_one"),
    [
        ("GET", "/api/v1/namespaces/shop/pods/web", "application/json", True),
        ("GET", "/api/v1/namespaces/shop/deployments/web/scale", "application/json", True),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/web", "application/json", True),
        ("GET", "/api/v1/namespaces/shop", "application/json", True),
        ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b", "application/json", True),
        ("GET", "/api/v1/namespaces/shop/pods", "application/json", False),
        ("GET", "/api/v1/namespaces", "application/json", False),
        ("GET", "/apis/apps/v1/deployments", "application/json", False),
        ("GET", "/apis/apps/v1", "application/json", False),
        ("GET", "/api/v1", "application/json", False),
        ("GET", "/apis", "application/json", False),
        ("GET", "/version", "application/json", False),
        ("GET", "/api/v1/namespaces/shop/pods/web", "application/json;as=Table;v=v1;g=meta.k8s.io", False),
        ("GET", "/api/v1/namespaces/shop/pods/web/log", "*/*", False),
        ("POST", "/api/v1/namespaces/shop/pods", "application/json", True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/json", False),
        ("PUT", "/api/v1/namespaces/shop/pods/web", "application/json", True),
        ("PATCH", "/api/v1/namespaces/shop/pods/web/status", "application/json", True),
        ("DELETE", "/api/v1/namespaces/shop/pods/web", "application/json", False),
    ],
)
def test_what_is_answered_with_one_object(method: str, path: str, accept: str, is_of_one: bool) -> None:
    assert Request(method, path, accept=accept).is_of_one is is_of_one


@pytest.mark.parametrize(
    ("method", "query", "body", "is_write"),
    [
        ("GET", (), None, False),
        ("PATCH", (), b"{}", True),
        ("PATCH", (("dryRun", "All"),), b"{}", False),
        ("PATCH", (), b'{"dryRun": ["All"]}', True),
        ("DELETE", (), b'{"kind": "DeleteOptions"}', True),
        ("DELETE", (), None, True),
        ("DELETE", (), b'{"kind": "DeleteOptions", "dryRun": ["All"]}', False),
        ("DELETE", (), b'{"kind": "DeleteOptions", "dryRun": []}', True),
    ],
)
def test_a_dry_run_is_no_write(method: str, query: Any, body: bytes | None, is_write: bool) -> None:
    assert Request(method, "/x", query, body).is_write is is_write


def failed(client: Client, request: Request = GET, deadline: float | None = None) -> StepError:
    with pytest.raises(StepError) as caught:
        client.until(deadline).send(request)
    assert SECRET not in str(caught.value) + repr(caught.value) + str(vars(caught.value))
    return caught.value


class TestRequests:
    def test_what_goes_over_the_wire(self, bench: Bench) -> None:
        server = bench.server(ok)
        who = Impersonation("jane", ("a", "b"), "7", (("why", "x"),))
        client = bench.client(
            server.url + "/base", user=User(token=SECRET), impersonation=who, headers=[("X-Pipeline", "job-42")]
        )
        query = (("labelSelector", "app in (a, b)"), ("limit", "5"))
        client.send(Request("PATCH", "/api/v1/pods", query, b'{"a": 1}', "application/apply-patch+yaml"))
        seen = server.exchanges[0]
        assert (seen.method, seen.body) == ("PATCH", b'{"a": 1}')
        assert seen.target == "/base/api/v1/pods?labelSelector=app%20in%20%28a%2C%20b%29&limit=5"
        assert seen.header("User-Agent") is not None
        assert str(seen.header("User-Agent")).startswith("k8s-step/")
        assert seen.header("Authorization") == f"Bearer {SECRET}"
        assert seen.header("Content-Type") == "application/apply-patch+yaml"
        assert seen.header("Accept") == "application/json"
        assert seen.header("X-Pipeline") == "job-42"
        assert [value for name, value in seen.headers if name == "Impersonate-Group"] == ["a", "b"]
        assert seen.header("Impersonate-User") == "jane"
        assert seen.header("Impersonate-Uid") == "7"
        assert seen.header("Impersonate-Extra-why") == "x"

    def test_the_answer(self, bench: Bench) -> None:
        lines = [
            'Warning: 299 - "v1beta1 is deprecated, use \\"v1\\""',
            'Warning: 299 - "unknown field"',
            "Date: Sun, 22 Nov 2026 18:17:38 GMT",
        ]
        server = bench.server(lambda exchange: exchange.reply(201, {"kind": "Pod"}, *lines))
        answer = bench.client(server.url).send(GET)
        assert answer == Answer(
            201,
            {"kind": "Pod"},
            b'{"kind": "Pod"}',
            ('v1beta1 is deprecated, use "v1"', "unknown field"),
            "Sun, 22 Nov 2026 18:17:38 GMT",
            15,
        )

    def test_raw_answers_are_left_alone(self, bench: Bench) -> None:
        server = bench.server(replying(200, b"k8s\x00\xff", content_type="application/vnd.kubernetes.protobuf"))
        answer = bench.client(server.url).send(Request("GET", "/x", accept="application/vnd.kubernetes.protobuf"))
        assert (answer.body, answer.raw) == ({}, b"k8s\x00\xff")

    def test_packed_answers_are_unpacked(self, bench: Bench) -> None:
        packed = gzip.compress(b'{"kind": "Pod"}')
        server = bench.server(
            replying(200, packed, "Content-Encoding: gzip"),
            replying(200, packed[:-4] + b"junk", "Content-Encoding: gzip"),
            replying(200, b"junk", "Content-Encoding: gzip"),
            replying(200, packed, "Content-Encoding: gzip"),
        )
        client = bench.client(server.url)
        assert client.send(GET).body == {"kind": "Pod"}
        assert client.send(GET).body == {"kind": "Pod"}
        assert len(server.exchanges) == 4

    def test_packing_is_asked_for_far_away_only(self, bench: Bench) -> None:
        server = bench.server(ok)
        bench.client(server.url).send(GET)
        bench.client("http://far.invalid", proxy_url=server.url).send(GET)
        bench.client("http://far.invalid", proxy_url=server.url, disable_compression=True).send(GET)
        assert [seen.header("Accept-Encoding") for seen in server.exchanges] == ["identity", "gzip", "identity"]

    def test_every_address_of_a_name_is_tried(self, bench: Bench) -> None:
        server = bench.server(ok)  # listens on 127.0.0.1 alone; localhost may be ::1 first
        assert bench.client(f"http://localhost:{server.port}").send(GET).code == 200

    def test_connections_are_kept(self, bench: Bench) -> None:
        server = bench.server(ok)
        client = bench.client(server.url)
        for _ in range(5):
            client.send(GET)
        assert server.connections == 1

    def test_no_more_than_concurrency_at_once(self, bench: Bench) -> None:
        inside: set[int] = set()
        most = 0
        lock = threading.Lock()
        full = threading.Barrier(3)

        def handler(exchange: Exchange) -> None:
            nonlocal most
            with lock:
                inside.add(id(exchange))
                most = max(most, len(inside))
            with contextlib.suppress(threading.BrokenBarrierError):
                full.wait(timeout=60)  # all three places are taken at the same time
            with lock:
                inside.discard(id(exchange))
            ok(exchange)

        server = bench.server(handler)
        client = bench.client(server.url, concurrency=3)
        threads = [threading.Thread(target=client.send, args=(GET,)) for _ in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (most, len(server.exchanges)) == (3, 9)


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "kind", "exit_code"),
        [
            (400, InvalidError, 4), (401, UnauthorizedError, 4), (403, ForbiddenError, 4), (404, NotFoundError, 4),
            (405, ApiError, 4), (409, ConflictError, 4), (410, GoneError, 4), (415, UnsupportedMediaTypeError, 4),
            (422, InvalidError, 4),
        ],
    )  # fmt: skip
    def test_are_kubernetes_own_words_said_once(
        self, bench: Bench, code: int, kind: type[ApiError], exit_code: int
    ) -> None:
        server = bench.server(replying(code))
        error = failed(bench.client(server.url, user=User(token=SECRET)))
        assert type(error) is kind
        assert isinstance(error, ApiError)
        assert (error.message, error.where, error.code, error.exit_code) == (f"said {code}", GET.where, code, exit_code)
        assert (error.reason, error.causes) == ("Why", [{"field": "a"}])
        assert len(server.exchanges) == 1

    def test_a_401_has_a_next_move(self, bench: Bench) -> None:
        assert "expired" in str(failed(bench.client(bench.server(replying(401)).url)))

    @pytest.mark.parametrize("code", [200, 201, 404, 403, 500, 502, 503])
    def test_a_proxys_page_is_never_echoed(self, bench: Bench, code: int) -> None:
        server = bench.server(replying(code, PAGE, content_type="text/html; charset=utf-8"))
        error = failed(bench.client(server.url, user=User(token=SECRET)))
        assert f"answered {code} with text/html" in str(error)
        assert "proxy in between" in str(error)
        assert error.exit_code == (4 if 400 <= code < 500 else 5)

    def test_a_path_that_is_not_there(self, bench: Bench) -> None:
        server = bench.server(replying(404, b"404 page not found\n", content_type="text/plain"))
        assert isinstance(failed(bench.client(server.url)), NotFoundError)

    def test_redirects_are_not_followed(self, bench: Bench) -> None:
        elsewhere = bench.server(ok)
        server = bench.server(replying(302, b"", f"Location: {elsewhere.url}/"))
        error = failed(bench.client(server.url, user=User(token=SECRET)))
        assert isinstance(error, UnreachableError)
        assert "redirect" in str(error)
        assert elsewhere.exchanges == []


class TestRetries:
    @pytest.mark.parametrize(
        "trouble",
        [
            replying(429), replying(500), replying(502), replying(503), replying(504),
            replying(502, PAGE, content_type="text/html"), cut,
            lambda exchange: (exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), exchange.close()),
            lambda exchange: (exchange.begin_chunks(), exchange.chunk(b'{"a"'), exchange.close()),
            replying(200, b'{"kind": "Po'),
            lambda exchange: (exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty"), exchange.close()),
        ],
    )  # fmt: skip
    def test_reads_and_applies(self, bench: Bench, trouble: Handler) -> None:
        server = bench.server(trouble, ok)
        answer = bench.client(server.url).send(Request("PATCH", "/x", body=b"{}"))
        assert answer.body == POD
        assert len(server.exchanges) == 2

    def test_pauses_grow_and_are_jittered(self, bench: Bench) -> None:
        server = bench.server(ok, *[replying(503)] * 4, ok)
        client = bench.client(server.url)
        client.send(GET)
        client.send(GET)
        assert bench.clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.8])

    def test_retry_after_is_waited_for(self, bench: Bench) -> None:
        server = bench.server(replying(429, None, "Retry-After: 7"), ok)
        bench.client(server.url).send(GET)
        assert bench.clock.slept == pytest.approx([7.1])

    def test_a_short_burst_of_429_is_not_worth_a_line(self, bench: Bench) -> None:
        server = bench.server(replying(429), replying(429), ok, *[replying(429)] * 3, ok)
        client = bench.client(server.url)
        client.send(GET)
        assert bench.said == []
        client.send(GET)
        assert len(bench.said) == 2

    def test_429_is_waited_out_up_to_the_deadline(self, bench: Bench) -> None:
        server = bench.server(replying(429, None, "Retry-After: 10"))
        error = failed(bench.client(server.url), deadline=bench.clock.now + 100)
        assert (type(error), error.exit_code) == (TimedOutError, 3)
        assert "time is up" in str(error)
        assert 60 < sum(bench.clock.slept) < 100

    @pytest.mark.parametrize(
        ("before", "kind"),
        [
            ((), TimedOutError),
            ((replying(429),), TimedOutError),
            ((replying(503),), ThrottledError),
            ((cut,), UnreachableError),
        ],
        ids=["nothing", "429", "503", "a cut"],
    )
    def test_silence_until_the_deadline_is_a_timeout_unless_it_was_down_before(
        self, before: tuple[Handler, ...], kind: type[StepError], bench: Bench
    ) -> None:
        server = bench.server(ok, *before, lambda exchange: server.ended.wait(30))
        client = bench.client(server.url)
        client.send(GET)
        assert type(failed(client, deadline=bench.clock.now + 0.6)) is kind

    def test_a_creation_in_silence_may_have_been_done(self, bench: Bench) -> None:
        server = bench.server(ok, replying(429), lambda exchange: server.ended.wait(30))
        client = bench.client(server.url)
        client.send(GET)
        assert isinstance(failed(client, CREATE, deadline=bench.clock.now + 0.6), AnswerLostError)

    def test_without_a_deadline_patience_ends(self, bench: Bench) -> None:
        server = bench.server(ok, replying(503))
        client = bench.client(server.url)
        client.send(GET)
        assert isinstance(failed(client), ThrottledError)
        assert 20 < sum(bench.clock.slept) < 30

    def test_a_500_is_tried_five_times(self, bench: Bench) -> None:
        server = bench.server(replying(500))
        error = failed(bench.client(server.url), deadline=bench.clock.now + 600)
        assert (type(error), error.exit_code, len(server.exchanges)) == (ApiError, 4, 5)

    def test_nobody_there_is_said_soon(self, bench: Bench) -> None:
        error = failed(bench.client(f"http://127.0.0.1:{free_port()}"), deadline=bench.clock.now + 600)
        assert (type(error), error.exit_code) == (UnreachableError, 5)
        assert "connection refused" in str(error)
        assert len(bench.clock.slept) == 2

    def test_a_server_that_was_there_is_waited_for(self, bench: Bench) -> None:
        server = bench.server(ok)
        client = bench.client(server.url)
        client.send(GET)
        server.__exit__()
        error = failed(client, deadline=bench.clock.now + 300)
        assert "connection refused" in str(error)
        assert 250 < sum(bench.clock.slept) < 300

    def test_an_outage_is_said_once_and_its_end_too(self, bench: Bench) -> None:
        server = bench.server(cut, cut, ok)
        bench.client(server.url).send(GET)
        assert [line.partition(": ")[0] for line in bench.said] == [
            server.url,
            f"{server.url} answers again, after 0.3s",
        ]
        assert "trying again" in bench.said[0]

    @pytest.mark.parametrize("trouble", [cut, replying(200, b'{"a'), replying(502, PAGE, content_type="text/html")])
    def test_a_lost_answer_to_a_create_is_not_repeated(self, bench: Bench, trouble: Handler) -> None:
        server = bench.server(trouble, ok)
        error = failed(bench.client(server.url), CREATE)
        assert (type(error), error.where, len(server.exchanges)) == (AnswerLostError, CREATE.where, 1)

    def test_a_create_the_server_surely_did_not_do_is_repeated(self, bench: Bench) -> None:
        server = bench.server(replying(429), ok)
        bench.client(server.url).send(CREATE)
        assert len(server.exchanges) == 2

    def test_a_create_never_sent_is_not_called_lost(self, bench: Bench) -> None:
        assert type(failed(bench.client(f"http://127.0.0.1:{free_port()}"), CREATE)) is UnreachableError

    def test_a_kept_connection_closed_meanwhile_costs_nothing(self, bench: Bench) -> None:
        closed = threading.Event()

        def last(exchange: Exchange) -> None:
            ok(exchange)
            exchange.close()
            exchange.sock.shutdown(socket.SHUT_RDWR)
            closed.set()

        server = bench.server(last, ok)
        client = bench.client(server.url)
        client.send(GET)
        assert closed.wait(60)
        client.send(CREATE)
        assert (server.connections, bench.clock.slept) == (2, [])

    def test_no_time_left(self, bench: Bench) -> None:
        server = bench.server(ok)
        assert "no time is left" in str(failed(bench.client(server.url), deadline=bench.clock.now - 1))
        assert server.exchanges == []

    def test_a_deadline_is_of_its_view_alone(self, bench: Bench) -> None:
        """The views share their connections, and each has its own deadline."""
        server = bench.server(ok, ok)
        client = bench.client(server.url)
        view = client.until(bench.clock.now + 100)
        assert (client.time_left, view.time_left, view.until(None).time_left) == (float("inf"), 100.0, float("inf"))
        bench.clock.now += 101
        assert (view.time_left, type(failed(view, deadline=view.deadline))) == (0.0, TimedOutError)
        client.send(GET)
        view.until(None).send(GET)
        assert (server.connections, len(server.exchanges)) == (1, 2)

    def test_the_gate_narrows_on_429_and_widens_again(self, bench: Bench) -> None:
        server = bench.server(replying(429), replying(429), ok)
        client = bench.client(server.url, concurrency=8)
        client.send(GET)
        assert client._gate.limit == 2
        for _ in range(8):
            bench.clock.now += 1
            client.send(GET)
        assert client._gate.limit == 3


class Failing:
    """Credentials that raise ``errors`` one by one, and ``refusals`` after a 401, before they have one again."""

    def __init__(self, *errors: StepError) -> None:
        self.credential = Credential(f"Bearer {SECRET}")
        self.errors: list[StepError] = list(errors) * 1000
        self.refusals: list[StepError] = []

    def current(self) -> Credential:
        if self.errors:
            raise self.errors.pop()
        return self.credential

    def refresh(self, refused: Credential) -> bool:
        if self.refusals:
            raise self.refusals.pop()
        return False

    def close(self) -> None:
        """Nothing runs."""


class TestCredentials:
    def test_a_401_reads_the_token_file_again_once(self, bench: Bench, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("old-token")

        def handler(exchange: Exchange) -> None:
            if exchange.header("Authorization") == "Bearer new-token":
                return ok(exchange)
            path.write_text("new-token")
            return replying(401)(exchange)

        server = bench.server(handler)
        bench.client(server.url, user=User(token_file=str(path))).send(CREATE)
        assert [seen.header("Authorization") for seen in server.exchanges] == ["Bearer old-token", "Bearer new-token"]

    def test_a_first_credential_that_can_not_be_had_is_bad_input(self, bench: Bench) -> None:
        server = bench.server(ok)
        client = bench.client(server.url, credentials=Failing(InputError("the plugin is broken")))
        for _ in range(2):
            assert isinstance(failed(client), InputError)
        assert not server.exchanges and not bench.clock.slept

    @pytest.mark.parametrize("error", [InputError("the plugin is broken"), UnreachableError("no answer from STS")])
    @pytest.mark.parametrize("request_", [GET, CREATE])
    def test_a_next_one_that_can_not_be_had_is_waited_for(
        self, bench: Bench, error: StepError, request_: Request
    ) -> None:
        source = Failing()
        client = bench.client(bench.server(ok).url, credentials=source).until(bench.clock.now + 60)
        client.send(GET)
        source.errors = [error] * 5
        assert client.send(request_).code == 200
        assert len(bench.clock.slept) == 5
        assert bench.said == [
            f"the credential can't be renewed: {error.message}; trying again",
            f"the credential is renewed, after {sum(bench.clock.slept):.1f}s",
        ]

    @pytest.mark.parametrize("deadline", [60.0, None])
    def test_one_that_never_comes_again_is_a_server_out_of_reach(self, bench: Bench, deadline: float | None) -> None:
        source = Failing()
        begun = bench.clock.now
        client = bench.client(bench.server(ok).url, credentials=source).until(begun + deadline if deadline else None)
        client.send(GET)
        source.errors = [InputError("the plugin is broken", where="kubeconfig x", hint="mend it")] * 1000
        error = failed(client)
        assert isinstance(error, UnreachableError) and error.exit_code is ExitCode.UNREACHABLE
        assert str(error) == "kubeconfig x: the credential can't be renewed: the plugin is broken (mend it)"
        assert 20 < bench.clock.now - begun <= (deadline or 30) and len(bench.clock.slept) < 20

    def test_a_refused_one_whose_successor_can_not_be_had(self, bench: Bench) -> None:
        """Asked for again after each pause, and not as fast as the server answers 401."""
        source = Failing()
        server = bench.server(ok, replying(401))
        client = bench.client(server.url, credentials=source).until(bench.clock.now + 60)
        client.send(GET)
        source.refusals = [InputError("the plugin is broken")] * 1000
        assert failed(client).exit_code is ExitCode.UNREACHABLE
        assert len(server.exchanges) == len(bench.clock.slept) + 2 < 22

    def test_a_refusal_of_the_identity_provider_is_its_own(self, bench: Bench) -> None:
        source = Failing()
        client = bench.client(bench.server(ok).url, credentials=source).until(bench.clock.now + 60)
        client.send(GET)
        source.errors = [UnauthorizedError("STS refuses", code=403)]
        assert failed(client).exit_code is ExitCode.REFUSED

    def test_a_certificate_that_becomes_unusable(self, bench: Bench, authority: Authority) -> None:
        source = Failing()
        server = bench.server(ok, tls=server_tls(authority))
        client = bench.client(server.url, ca=authority.certificate, credentials=source).until(bench.clock.now + 60)
        client.send(GET)
        source.credential = Credential(None, Certificate(b"no PEM", b"no PEM"))
        error = failed(client)
        assert error.exit_code is ExitCode.UNREACHABLE and "the client certificate and its key are no PEM" in str(error)

    def test_a_mistake_that_an_item_of_a_list_shows_is_none_of_the_credential(self, bench: Bench) -> None:
        def refuse(item: Any) -> Any:
            raise InputError(f"{item} can't be sorted by")

        server = bench.server(ok, replying(200, {"kind": "List", "items": [{"a": 1}]}))
        client = bench.client(server.url, credentials=Failing()).until(bench.clock.now + 60)
        client.send(GET)
        with pytest.raises(InputError, match="can't be sorted by"):
            client.send(replace(GET, each=refuse))
        assert len(server.exchanges) == 2 and not bench.clock.slept

    def test_a_token_refused_for_good_is_sent_once(self, bench: Bench) -> None:
        server = bench.server(replying(401))
        failed(bench.client(server.url, user=User(token=SECRET)))
        assert len(server.exchanges) == 1


class TestTimeouts:
    @pytest.mark.parametrize("where", ["head", "body", "chunks", "nothing"])
    def test_a_server_that_drips_is_cut_off(self, bench: Bench, where: str) -> None:
        starts = {
            "head": b"HTTP/1.1 200 OK\r\nX-Slow: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
            "nothing": b"",
        }

        def drip(exchange: Exchange) -> None:
            exchange.send(starts[where])
            while not server.ended.wait(0.02):
                exchange.send(b"a" if where != "nothing" else b"")

        server = bench.server(drip)
        error = failed(bench.client(server.url, request_timeout=0.4), CREATE)
        assert isinstance(error, AnswerLostError)
        assert "timed out after 0.4s" in str(error)

    def test_a_server_that_never_shakes_hands(self, bench: Bench, authority: Authority) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = bench.client(
                f"https://127.0.0.1:{listener.getsockname()[1]}", request_timeout=0.4, ca=authority.certificate
            )
            assert "timed out" in str(failed(client))

    def test_a_request_nobody_reads(self, bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = bench.client(f"http://127.0.0.1:{listener.getsockname()[1]}", request_timeout=0.4)
            error = failed(client, Request("POST", "/x", body=b"x" * 50_000_000, retry=False))
            assert isinstance(error, AnswerLostError)

    def test_a_name_that_is_not_known(self, bench: Bench) -> None:
        error = failed(bench.client("https://no-such-host.invalid:6443"))
        assert "no-such-host.invalid" in str(error)
        assert error.exit_code == 5


class TestClose:
    def test_ends_a_request_under_way(self, bench: Bench) -> None:
        asked = threading.Event()
        server = bench.server(lambda exchange: (asked.set(), server.ended.wait(30)))
        client = bench.client(server.url, own_sleep=True)
        ended = in_background(lambda: client.send(GET))
        assert asked.wait(60)
        client.close()
        assert isinstance(ended.get(timeout=60), StoppedError)

    def test_ends_a_pause(self, bench: Bench) -> None:
        asked = threading.Event()
        server = bench.server(lambda exchange: (replying(429, None, "Retry-After: 600")(exchange), asked.set()))
        client = bench.client(server.url, own_sleep=True)
        ended = in_background(lambda: client.until(float("inf")).send(GET))
        assert asked.wait(60)
        client.close()
        assert isinstance(ended.get(timeout=60), StoppedError)

    def test_ends_those_who_wait_for_a_place(self, bench: Bench) -> None:
        asked = threading.Event()
        server = bench.server(lambda exchange: (asked.set(), server.ended.wait(30)))
        client = bench.client(server.url, own_sleep=True, concurrency=1)
        first = in_background(lambda: client.send(GET))
        assert asked.wait(60)
        second = in_background(lambda: client.send(GET))
        client.close()
        assert isinstance(first.get(timeout=60), StoppedError)
        assert isinstance(second.get(timeout=60), StoppedError)

    def test_ends_a_plugin(self, bench: Bench, tmp_path: Path) -> None:
        plugin = tmp_path / "plugin"
        plugin.write_text('#!/bin/sh\necho > "$0.runs"\nexec sleep 600\n')
        plugin.chmod(0o700)
        user = User(exec_plugin=ExecPlugin("client.authentication.k8s.io/v1", str(plugin)))
        client = bench.client("http://127.0.0.1:1", own_sleep=True, user=user)
        ended = in_background(lambda: client.send(GET))
        poll((tmp_path / "plugin.runs").exists, "the plugin")
        client.close()
        assert isinstance(ended.get(timeout=60), StoppedError)

    def test_ends_a_handshake(self, bench: Bench, authority: Authority) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            client = bench.client(url, own_sleep=True, ca=authority.certificate, request_timeout=600)
            ended = in_background(lambda: client.send(GET))
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(1)  # it has begun
                client.close()
                assert isinstance(ended.get(timeout=60), StoppedError)

    def test_nothing_is_sent_afterwards(self, bench: Bench) -> None:
        server = bench.server(ok)
        client = bench.client(server.url)
        client.close()
        with pytest.raises(StoppedError):
            client.send(GET)
        with pytest.raises(StoppedError):
            client.stream(GET)


class TestStreams:
    def test_lines_come_when_they_are_sent(self, bench: Bench) -> None:
        read: queue.Queue[bytes] = queue.Queue()

        def handler(exchange: Exchange) -> None:
            exchange.begin_chunks()
            for line in (b"one", b"two"):
                exchange.chunk(line + b"\n")
                # The next line is not sent before the client has this one.
                assert read.get(timeout=60) == line
            exchange.chunk(b"thr")
            exchange.chunk(b"ee\nfour\n\nlast")
            exchange.chunk(b"")

        server = bench.server(handler, ok)
        client = bench.client(server.url)
        lines = []
        with client.stream(GET, idle_timeout=10) as stream:
            for line in stream:
                lines.append(line)
                read.put(line)
        assert lines == [b"one", b"two", b"three", b"four", b"", b"last"]
        client.send(GET)
        assert server.connections == 1
        assert server.exchanges[0].header("Accept-Encoding") == "identity"

    def test_closing_a_finished_stream_leaves_its_connection_alone(self, bench: Bench) -> None:
        server = bench.server(lambda exchange: (exchange.begin_chunks(), exchange.chunk(b"")), ok)
        client = bench.client(server.url)
        stream = client.stream(GET)
        assert list(stream) == []
        stream.close()
        client.send(CREATE)
        assert server.connections == 1

    def test_a_huge_line(self, bench: Bench) -> None:
        line = b"x" * 5_000_000

        def handler(exchange: Exchange) -> None:
            exchange.begin_chunks()
            for begin in range(0, len(line), 100_000):
                exchange.chunk(line[begin : begin + 100_000])
            exchange.chunk(b"\nnext\n")
            exchange.chunk(b"")

        with bench.client(bench.server(handler).url).stream(GET) as stream:
            assert list(stream) == [line, b"next"]

    def test_close_from_another_thread(self, bench: Bench) -> None:
        server = bench.server(
            lambda exchange: (exchange.begin_chunks(), exchange.chunk(b"one\n"), server.ended.wait(30))
        )
        stream = bench.client(server.url).stream(GET)
        lines: queue.Queue[bytes] = queue.Queue()
        ended = in_background(lambda: [lines.put(line) for line in stream])
        assert lines.get(timeout=60) == b"one"
        stream.close()
        assert ended.get(timeout=60) == [None]

    def test_close_over_tls(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(
            lambda exchange: (exchange.begin_chunks(), exchange.chunk(b"one\n"), server.ended.wait(30)),
            tls=server_tls(authority),
        )
        client = bench.client(server.url, ca=authority.certificate)
        stream = client.stream(GET)
        lines: queue.Queue[bytes] = queue.Queue()
        ended = in_background(lambda: [lines.put(line) for line in stream])
        assert lines.get(timeout=60) == b"one"
        client.close()
        assert ended.get(timeout=60) == [None]

    @pytest.mark.parametrize(
        "cut_off",
        [lambda exchange: exchange.close(), lambda exchange: (exchange.send(b"ff\r\nhalf"), exchange.close())],
    )
    def test_a_cut_is_no_end(self, bench: Bench, cut_off: Handler) -> None:
        handler = lambda exchange: (exchange.begin_chunks(), exchange.chunk(b"one\nha"), cut_off(exchange))  # noqa: E731
        with bench.client(bench.server(handler).url).stream(GET) as stream:
            lines = iter(stream)
            assert next(lines) == b"one"
            with pytest.raises(UnreachableError, match="broke off"):
                next(lines)

    def test_silence(self, bench: Bench) -> None:
        server = bench.server(lambda exchange: (exchange.begin_chunks(), server.ended.wait(30)))
        with (
            bench.client(server.url).stream(GET, idle_timeout=0.2) as stream,
            pytest.raises(UnreachableError, match=r"timed out after 0\.2s"),
        ):
            next(iter(stream))

    def test_outlives_the_request_timeout(self, bench: Bench) -> None:
        def handler(exchange: Exchange) -> None:
            exchange.begin_chunks()
            for _ in range(6):
                server.ended.wait(0.1)
                exchange.chunk(b"tick\n")
            exchange.chunk(b"")

        server = bench.server(handler)
        with bench.client(server.url, request_timeout=0.3).stream(GET) as stream:
            assert list(stream) == [b"tick"] * 6

    def test_a_refusal_is_raised_when_opening(self, bench: Bench) -> None:
        with pytest.raises(GoneError):
            bench.client(bench.server(replying(410)).url).stream(GET)

    def test_opening_is_tried_again(self, bench: Bench) -> None:
        server = bench.server(cut, replying(503), replying(200, b"line\n"))
        with bench.client(server.url).stream(GET) as stream:
            assert list(stream) == [b"line"]

    def test_a_page_is_no_stream(self, bench: Bench) -> None:
        with pytest.raises(UnreachableError, match="text/html"):
            bench.client(bench.server(replying(200, PAGE, content_type="text/html")).url).stream(GET)

    def test_streams_take_no_place_in_the_gate(self, bench: Bench) -> None:
        def handler(exchange: Exchange) -> None:
            if "watch" not in exchange.target:
                return ok(exchange)
            exchange.begin_chunks()
            server.ended.wait(30)
            return None

        server = bench.server(handler)
        client = bench.client(server.url, concurrency=1)
        with client.stream(Request("GET", "/watch")), client.stream(Request("GET", "/watch")):
            assert client.send(GET).code == 200


class TestTls:
    def test_the_clusters_ca(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority))
        assert bench.client(server.url, ca=authority.certificate).send(GET).code == 200

    @pytest.mark.parametrize(
        "comment", ["# Zürich CA\n".encode(), "# Zürich CA\n".encode("latin-1"), "\ufeff".encode()]
    )
    def test_text_around_the_certificates(self, bench: Bench, authority: Authority, comment: bytes) -> None:
        """Of the CA, of the client's certificate and of its key: such as a name and an issuer that are not ASCII."""
        server = bench.server(ok, tls=server_tls(authority))
        me = authority.sign("me")
        user = User(client_certificate=b"\n".join((comment, me.certificate)), client_key=b"\n".join((comment, me.key)))
        ca = comment + authority.certificate + comment
        assert bench.client(server.url, ca=ca, user=user).send(GET).code == 200

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_the_environments_bundle_never_wins(
        self, bench: Bench, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
        variable: str,
    ) -> None:  # fmt: skip
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes(stranger.certificate)
        monkeypatch.setenv(variable, str(bundle))
        server = bench.server(ok, tls=server_tls(authority))
        assert bench.client(server.url, ca=authority.certificate).send(GET).code == 200
        other = bench.server(ok, tls=server_tls(stranger))
        assert "unknown authority" in str(failed(bench.client(other.url, ca=authority.certificate)))

    def test_a_bundle_that_is_not_there_does_not_matter(
        self, bench: Bench, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle")
        server = bench.server(ok, tls=server_tls(authority))
        assert bench.client(server.url, ca=authority.certificate).send(GET).code == 200

    def test_without_a_ca_the_systems_counts(
        self, bench: Bench, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        server = bench.server(ok, tls=server_tls(authority))
        error = failed(bench.client(server.url))
        assert "unknown authority" in str(error)
        assert "--ca" in str(error)
        assert server.exchanges == []
        (tmp_path / "system.pem").write_bytes(authority.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))  # the system's own, for Go too
        assert bench.client(server.url).send(GET).code == 200

    def test_another_name(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority, ["api.example"]))
        error = failed(bench.client(server.url, ca=authority.certificate))
        assert "not for 127.0.0.1" in str(error)
        assert "tls-server-name" in str(error)
        assert bench.client(server.url, ca=authority.certificate, tls_server_name="api.example").send(GET).code == 200
        other = bench.client(server.url, ca=authority.certificate, tls_server_name="other.example")
        assert "not for other.example" in str(failed(other))

    def test_insecure(self, bench: Bench, stranger: Authority) -> None:
        server = bench.server(ok, tls=server_tls(stranger, ["other"]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client = bench.client(server.url, insecure=True)
            assert client.send(GET).code == 200

    def test_certificate_problems_are_not_tried_again(self, bench: Bench, authority: Authority) -> None:
        failed(bench.client(bench.server(ok, tls=server_tls(authority)).url))
        assert bench.clock.slept == []

    def test_a_client_certificate(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority, client_ca=authority.certificate))
        pair = authority.sign("jane", organization="admins")
        user = User(client_certificate=pair.certificate, client_key=pair.key)
        assert bench.client(server.url, ca=authority.certificate, user=user).send(GET).code == 200
        subject = dict(part[0] for part in (server.exchanges[0].client_certificate or {})["subject"])
        assert subject["commonName"] == "jane"

    def test_no_client_certificate_where_one_is_wanted(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority, client_ca=authority.certificate))
        error = failed(bench.client(server.url, ca=authority.certificate))
        assert error.exit_code == 5
        assert "certificate" in str(error) or "closed" in str(error) or "cut" in str(error)

    def test_keys_that_cannot_be_used(self, bench: Bench, authority: Authority) -> None:
        pair = authority.sign("jane")
        key = serialization.load_pem_private_key(pair.key, None)
        locked = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
        for wrong, words in ((locked, "encrypted"), (authority.sign("other").key, "belong"), (b"junk", "PEM")):
            user = User(client_certificate=pair.certificate, client_key=wrong)
            with pytest.raises(InputError, match=words):
                bench.client("https://127.0.0.1:1", ca=authority.certificate, user=user).send(GET)

    def test_a_ca_that_is_no_pem(self, bench: Bench) -> None:
        with pytest.raises(InputError, match="no PEM"):
            bench.client("https://127.0.0.1:1", ca=b"junk").send(GET)

    def test_tls_where_there_is_none_and_the_reverse(self, bench: Bench, authority: Authority) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            in_background(lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            assert "use http://" in str(failed(bench.client(url, ca=authority.certificate)))
        go = bench.server(
            replying(400, b"Client sent an HTTP request to an HTTPS server.\n", content_type="text/plain")
        )
        assert "use https://" in str(failed(bench.client(go.url)))
        secure = bench.server(ok, tls=server_tls(authority))
        assert failed(bench.client(secure.url.replace("https:", "http:"))).exit_code == 5

    def test_not_http_at_all(self, bench: Bench) -> None:
        ssh = bench.server(lambda exchange: (exchange.send(b"SSH-2.0-OpenSSH\r\n\r\n"), exchange.close()))
        assert "not HTTP" in str(failed(bench.client(ssh.url)))


class TestProxies:
    def test_a_tunnel(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority, ["api.invalid"]))
        proxy = bench.server(tunnel(server.port))
        redactor = Redactor()
        client = bench.client(
            f"https://api.invalid:{server.port}", ca=authority.certificate, user=User(token=SECRET),
            proxy_url=proxy.url.replace("://", "://me:proxy-password@"), redactor=redactor,
        )  # fmt: skip
        assert client.send(GET).code == 200
        assert client.send(GET).code == 200
        assert [seen.target for seen in proxy.exchanges] == [f"api.invalid:{server.port}"]
        assert proxy.exchanges[0].header("Proxy-Authorization") is not None
        assert proxy.exchanges[0].header("Authorization") is None
        assert redactor.mask("proxy-password") == "***"

    def test_plain_http(self, bench: Bench) -> None:
        proxy = bench.server(ok)
        assert bench.client("http://api.invalid:8001", proxy_url=proxy.url).send(GET).code == 200
        assert proxy.exchanges[0].target == "http://api.invalid:8001/api/v1/pods"

    def test_a_proxy_with_a_certificate_of_the_cluster(
        self, bench: Bench, authority: Authority, stranger: Authority
    ) -> None:
        server = bench.server(ok, tls=server_tls(authority, ["api.invalid"]))
        proxy = bench.server(tunnel(server.port), tls=server_tls(authority))
        client = bench.client(f"https://api.invalid:{server.port}", ca=authority.certificate, proxy_url=proxy.url)
        assert client.send(GET).code == 200
        strange = bench.server(tunnel(server.port), tls=server_tls(stranger))
        client = bench.client(f"https://api.invalid:{server.port}", ca=authority.certificate, proxy_url=strange.url)
        assert "unknown authority" in str(failed(client))

    def test_a_proxy_that_refuses(self, bench: Bench) -> None:
        proxy = bench.server(replying(407, PAGE, content_type="text/html"))
        url = proxy.url.replace("://", f"://me:{SECRET}@")
        error = failed(bench.client("https://api.invalid", proxy_url=url))
        assert f"the proxy {proxy.url}: it answered 407" in str(error)
        assert len(proxy.exchanges) == 1

    def test_a_proxy_that_is_not_there(self, bench: Bench) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        error = failed(bench.client("https://api.invalid", proxy_url=url))
        assert f"the proxy {url}: connection refused" in str(error)

    def test_a_proxy_that_drips(self, bench: Bench) -> None:
        def drip(exchange: Exchange) -> None:
            while not proxy.ended.wait(0.02):
                exchange.send(b"H")

        proxy = bench.server(drip)
        error = failed(bench.client("https://api.invalid", proxy_url=proxy.url, request_timeout=0.4))
        assert "timed out" in str(error)

    def test_the_environments_proxies_are_not_looked_at_here(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert bench.client(bench.server(ok).url).send(GET).code == 200

    def test_a_socks_proxy_looks_names_up_by_itself(self, bench: Bench, authority: Authority) -> None:
        server = bench.server(ok, tls=server_tls(authority, ["api.invalid"]))
        for scheme in ("socks5", "socks5h"):
            proxy = bench.stack.enter_context(Socks5(server.port, login=("me", "proxy-password")))
            redactor = Redactor()
            client = bench.client(
                "https://api.invalid:6443", ca=authority.certificate, user=User(token=SECRET),
                proxy_url=proxy.url.replace("socks5:", f"{scheme}:"), redactor=redactor,
            )  # fmt: skip
            assert client.send(GET).code == 200
            assert client.send(GET).code == 200
            assert proxy.asked == [("api.invalid", 6443)]
            assert redactor.mask("proxy-password") == "***"

    def test_plain_http_by_socks(self, bench: Bench) -> None:
        server = bench.server(ok)
        proxy = bench.stack.enter_context(Socks5(server.port))
        assert bench.client("http://127.0.0.1:8001", proxy_url=proxy.url).send(GET).code == 200
        assert server.exchanges[0].target == "/api/v1/pods"
        assert proxy.asked == [("127.0.0.1", 8001)]

    @pytest.mark.parametrize(
        ("reply", "words"),
        [(1, "general SOCKS server failure"), (2, "connection not allowed by ruleset"), (4, "host unreachable")],
    )
    def test_a_socks_proxy_that_refuses(self, bench: Bench, reply: int, words: str) -> None:
        proxy = bench.stack.enter_context(Socks5(1, reply))
        error = failed(bench.client("https://api.invalid", proxy_url=proxy.url))
        assert error.exit_code == 5
        assert f"the proxy {proxy.url}: it answered: {words.lower()} (may it, and can it, reach the server?)" in str(
            error
        )

    def test_a_socks_proxy_that_wants_a_password(self, bench: Bench) -> None:
        proxy = bench.stack.enter_context(Socks5(1, login=("me", "proxy-password")))
        plain = proxy.url.replace("me:proxy-password@", "")
        for url in (plain, plain.replace("://", f"://me:{SECRET}@")):
            error = failed(bench.client("https://api.invalid", proxy_url=url))
            assert f"the proxy {plain}: it wants a user and a password, or others" in str(error)
        assert proxy.asked == []

    def test_what_is_no_socks_proxy(self, bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            in_background(lambda: [listener.accept()[0].sendall(b"SSH-2.0-OpenSSH\r\n") for _ in range(9)])
            url = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
            assert f"the proxy {url}: it does not speak SOCKS5" in str(
                failed(bench.client("https://api.invalid", proxy_url=url))
            )
        assert f"the proxy {url}: connection refused" in str(failed(bench.client("https://api.invalid", proxy_url=url)))

    def test_socks_without_pysocks(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "socks", None)  # an import of it fails
        with pytest.raises(InputError, match=r"pip install 'k8s-step\[socks\]'"):
            bench.client("https://api.invalid", proxy_url="socks5://127.0.0.1:1").send(GET)


class TestQuiet:
    def test_netrc_is_not_read(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        server = bench.server(ok)
        bench.client(server.url).send(GET)
        assert server.exchanges[0].header("Authorization") is None

    def test_no_secret_in_a_traceback(self, tmp_path: Path) -> None:
        """An uncaught error's traceback, causes and all."""
        script = tmp_path / "script.py"
        script.write_text(
            "from k8s_step.api.client import Client\nfrom k8s_step.api.request import Request\n"
            "from k8s_step.connection.settings import Connection\nfrom k8s_step.connection.settings import User\n"
            f"server = 'http://127.0.0.1:{free_port()}'\n"
            "connection = Connection(server, 'test', user=User(token=open('token').read()))\n"
            "Client(connection).send(Request('GET', '/'))\n"
        )
        (tmp_path / "token").write_text(SECRET)
        ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert "UnreachableError" in ran.stderr
        assert SECRET not in ran.stderr + ran.stdout

    def test_no_secret_in_a_repr(self, bench: Bench) -> None:
        connection = Connection("http://x", "test", user=User(token=SECRET), proxy_url=f"http://me:{SECRET}@x")
        request = Request("POST", "/x", body=SECRET.encode())
        answer = Answer(200, {"data": SECRET}, SECRET.encode())
        assert SECRET not in repr(connection) + repr(request) + repr(answer) + repr(Client(connection))


def tunnel(port: int) -> Handler:
    """What a proxy does on CONNECT, always to this port on loopback."""

    def handler(exchange: Exchange) -> None:
        assert exchange.method == "CONNECT"
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        exchange.close()
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=pump, args=(onward, exchange.sock), daemon=True)
            back.start()
            pump(exchange.sock, onward)
            back.join(60)

    return handler


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def in_background(work: Callable[[], Any]) -> queue.Queue[Any]:
    """Do ``work`` in a thread; what it returned or raised comes out of the queue."""
    ended: queue.Queue[Any] = queue.Queue()

    def run() -> None:
        try:
            ended.put(work())
        except Exception as error:
            ended.put(error)

    threading.Thread(target=run, daemon=True).start()
    return ended
