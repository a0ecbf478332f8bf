"""Each row of the table of ailments, held to what the client does with its example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from k8s_step.api.client import Client, Pace
from k8s_step.api.delivery import deliver
from k8s_step.api.request import Request
from k8s_step.connection.ailments import (
    AGGREGATED,
    AILMENTS,
    AWAY,
    BUSY,
    CONFLICT,
    DENIED,
    DOUBLE,
    ETCD,
    ETCD_CROWDED,
    INTERNAL,
    NOT_READY,
    QUOTA_RACE,
    RACE,
    REFUSED,
    SERVER_TIMEOUT,
    STORAGE,
    UNFIT,
    WEBHOOK,
    Ailment,
    ErrorAnswer,
    Patience,
    ailment_of,
    api_service,
)
from k8s_step.connection.settings import Connection
from k8s_step.errors import AnswerLostError, ApiError, ExitCode, NotFoundError, StepError
from k8s_step.objects.body import PatchType
from tests.unit.loopback import Exchange, Handler, Loopback

WRITTEN = {"kind": "ConfigMap", "metadata": {"name": "web"}}
PASSING = [one for one in AILMENTS if one.patience is not Patience.NONE]
WEBHOOK_DOWN = 'Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: '


class Ill:
    """A server that gives the same ill answer ``times`` times, and time that passes only by sleeping."""

    def __init__(self, said: ErrorAnswer, times: float = float("inf")) -> None:
        self.now = 1000.0
        self.left = times
        self.said: list[str] = []
        self.asked: list[str] = []
        self.example = said
        self.server = Loopback(self._answer).__enter__()
        self.client = Client(
            Connection(self.server.url, "test"),
            pace=Pace(lambda: self.now, lambda: 1.0, self.sleep),
            notice=self.said.append,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def _answer(self, exchange: Exchange) -> None:
        if "/apiservices/" in exchange.target:
            return exchange.reply(403, {"kind": "Status", "code": 403, "message": "no", "reason": "Forbidden"})
        if exchange.target == "/version":
            return exchange.reply(200, {})
        self.asked.append(exchange.method)
        if exchange.method == "GET" or self.left <= 0:
            return exchange.reply(200, WRITTEN)
        self.left -= 1
        return played(self.example)(exchange)

    def close(self) -> None:
        self.client.close()
        self.server.__exit__()


def played(said: ErrorAnswer) -> Handler:
    """The answer as it comes over the wire."""
    if not said.is_status:
        return lambda exchange: exchange.reply(said.code, said.message.encode(), content_type="text/plain")
    details = {"kind": said.kind, "causes": [{"reason": cause} for cause in said.causes]}
    body = {"kind": "Status", "code": said.code, "message": said.message, "reason": said.reason, "details": details}
    return lambda exchange: exchange.reply(said.code, body)


def request(said: ErrorAnswer, *, retry: bool = True) -> Request:
    """The request that it is an answer to."""
    body = {"metadata": {"resourceVersion": "7"} if said.is_bound else {}}
    kind = PatchType.APPLY.value if said.is_apply else None
    return Request(said.method, said.path, body=json.dumps(body).encode(), content_type=kind, retry=retry, where="it")


@pytest.fixture
def ill(one: Ailment) -> Iterator[Ill]:
    assert one.example is not None
    made = Ill(one.example)
    yield made
    made.close()


def ended(client: Client, said: ErrorAnswer, deadline: float | None) -> StepError:
    with pytest.raises(StepError) as caught:
        client.until(deadline).send(request(said))
    return caught.value


@pytest.mark.parametrize("one", AILMENTS, ids=lambda one: one.title[:40])
def test_the_example_is_this_and_no_other(one: Ailment) -> None:
    assert one.example is not None and ailment_of(one.example) is one
    assert one.source


@pytest.mark.parametrize("one", AILMENTS, ids=lambda one: one.title[:40])
def test_what_lasts_ends_as_the_table_says(one: Ailment, ill: Ill) -> None:
    """Long before the deadline, and by it: the code, the time and the number of tries are those of the row."""
    assert one.example is not None
    ill.client.send(Request("GET", "/version"))
    begin = ill.now
    error = ended(ill.client, one.example, begin + 600)
    by_deadline = one.patience is Patience.LONG
    assert error.exit_code is (one.late_end if by_deadline else one.ends)
    spent, tries = ill.now - begin, len(ill.asked)
    most = {Patience.NONE: 0, Patience.FEW: 2, Patience.SHORT: 10, Patience.WHILE: 30, Patience.LONG: 600}[one.patience]
    assert (most - 6 <= spent <= most) if most > 2 else spent <= most
    assert tries == {Patience.NONE: 1, Patience.FEW: 5}.get(one.patience, tries)
    if one.patience is not Patience.NONE:
        assert error.may_be_done is not one.is_undone
        assert len(ill.said) <= 1, "told once"


@pytest.mark.parametrize("one", PASSING, ids=lambda one: one.title[:40])
def test_a_deadline_before_that_ends_as_the_table_says(one: Ailment, ill: Ill) -> None:
    assert one.example is not None
    ill.client.send(Request("GET", "/version"))
    error = ended(ill.client, one.example, ill.now + 0.5)
    assert error.exit_code is one.late_end
    assert ill.now <= 1000.5


@pytest.mark.parametrize("one", PASSING, ids=lambda one: one.title[:40])
def test_what_passes_is_ridden_out(one: Ailment, ill: Ill) -> None:
    assert one.example is not None
    ill.left = 3
    assert ill.client.until(ill.now + 60).send(request(one.example)).body == WRITTEN
    assert len(ill.asked) == 4
    assert len(ill.said) == 2, "one line when it begins and one when it is over"
    assert ill.said[0].endswith("; trying again") and ill.said[1].endswith("s")


@pytest.mark.parametrize("one", PASSING, ids=lambda one: one.title[:40])
def test_what_must_not_be_done_twice_is_looked_up_unless_it_surely_was_not_done(one: Ailment, ill: Ill) -> None:
    assert one.example is not None
    ill.left, looks = 2, 0

    def look() -> None:
        nonlocal looks
        looks += 1

    deliver(ill.client.until(ill.now + 60), request(one.example, retry=False), look)
    assert looks == (0 if one.is_undone else 2)


# -- conflicts: whose they are


CONFLICTS: dict[str, tuple[ErrorAnswer, Ailment]] = {
    "a quota": (
        ErrorAnswer(409, "Operation cannot be fulfilled", "Conflict", "resourcequotas", method="POST"),
        QUOTA_RACE,
    ),
    "a quota, bound": (ErrorAnswer(409, "x", "Conflict", "resourcequotas", method="PUT", is_bound=True), QUOTA_RACE),
    "a quota of its own": (
        ErrorAnswer(
            409, "x", "Conflict", "resourcequotas", path="/api/v1/namespaces/shop/resourcequotas/a", is_bound=True
        ),
        CONFLICT,
    ),
    "an apply": (ErrorAnswer(409, "x", "Conflict", "configmaps"), RACE),
    "a scaling": (
        ErrorAnswer(409, "x", "Conflict", "deployments", path="/apis/apps/v1/namespaces/shop/deployments/web/scale"),
        RACE,
    ),
    "a replacement": (ErrorAnswer(409, "x", "Conflict", "configmaps", method="PUT", is_bound=True), CONFLICT),
    "field managers": (ErrorAnswer(409, "x", "Conflict", causes=("FieldManagerConflict",)), CONFLICT),
    "a uid, deletion": (
        ErrorAnswer(
            409, "the UID in the precondition (1) does not match the UID in record (2)", "Conflict", "ConfigMap"
        ),
        CONFLICT,
    ),
    "a uid, storage": (
        ErrorAnswer(
            409, "Precondition failed: UID in precondition: 1, UID in object meta: 2", "Conflict", "configmaps"
        ),
        CONFLICT,
    ),
    "a webhook's word": (
        ErrorAnswer(409, 'admission webhook "a" denied the request: no', "Conflict", "widgets"),
        CONFLICT,
    ),
    "a name that is taken": (
        ErrorAnswer(409, "x", "AlreadyExists", "configmaps", method="POST", is_apply=False),
        CONFLICT,
    ),
    "a name taken at the same moment": (ErrorAnswer(409, "x", "AlreadyExists", "configmaps"), DOUBLE),
}


@pytest.mark.parametrize(("said", "expected"), CONFLICTS.values(), ids=CONFLICTS)
def test_whose_conflict_it_is(said: ErrorAnswer, expected: Ailment) -> None:
    assert ailment_of(said) is expected


# -- other words


WORDS: dict[str, tuple[ErrorAnswer, Ailment]] = {
    **{
        f"etcd, {words}": (ErrorAnswer(500, f"etcdserver: {words}"), ETCD)
        for words in (
            "leader changed",
            "no leader",
            "request timed out",
            "request timed out, possibly due to previous leader failure",
            "server stopped",
        )
    },
    "etcd, crowded": (ErrorAnswer(500, "etcdserver: too many requests"), ETCD_CROWDED),
    "etcd, through gRPC": (ErrorAnswer(500, "rpc error: code = Unavailable desc = transport is closing"), STORAGE),
    "a deadline within": (ErrorAnswer(500, "Internal error occurred: context deadline exceeded"), STORAGE),
    "a server timeout": (ErrorAnswer(500, "please try again", "ServerTimeout"), SERVER_TIMEOUT),
    **{
        f"webhook, {words}": (ErrorAnswer(500, WEBHOOK_DOWN + words, "InternalError"), WEBHOOK)
        for words in (
            'Post "https://a.b.svc:443/x?timeout=10s": dial tcp 10.0.0.1:443: connect: connection refused',
            'Post "https://a.b.svc:443/x?timeout=10s": context deadline exceeded',
            'Post "https://a.b.svc:443/x?timeout=10s": no endpoints available for service "a"',
        )
    },
    "a webhook that denies": (
        ErrorAnswer(500, 'admission webhook "a" denied the request: etcdserver: leader changed'),
        DENIED,
    ),
    "anything else": (ErrorAnswer(500, "Internal error occurred: unknown"), INTERNAL),
    "what will never fit": (
        ErrorAnswer(500, 'unable to find api field: doesn\'t match $setElementOrder list: [{"a":1}]'),
        UNFIT,
    ),
    "just started": (ErrorAnswer(403, 'pods "a" is forbidden: not yet ready to handle request'), NOT_READY),
    "a quota that is used up": (
        ErrorAnswer(403, 'pods "a" is forbidden: exceeded quota: small, requested: pods=1'),
        REFUSED,
    ),
    "a timeout within": (
        ErrorAnswer(504, "Timeout: request did not complete within requested timeout", "Timeout"),
        AWAY,
    ),
    "shutting down, 503": (ErrorAnswer(503, "apiserver is shutting down", "ServiceUnavailable"), AWAY),
    "shutting down, 429": (
        ErrorAnswer(429, "The apiserver is shutting down, please try again later.", is_status=False),
        BUSY,
    ),
    "an eviction": (
        ErrorAnswer(429, "Cannot evict pod as it would violate the budget", "TooManyRequests", "pods"),
        BUSY,
    ),
    "a core path behind a proxy": (ErrorAnswer(503, "service unavailable", is_status=False), AWAY),
    "an aggregated API": (
        ErrorAnswer(503, "x", is_status=False, path="/apis/metrics.k8s.io/v1beta1/nodes"),
        AGGREGATED,
    ),
    "an aggregated API that answers itself": (
        ErrorAnswer(503, "x", "ServiceUnavailable", path="/apis/metrics.k8s.io/v1beta1/nodes"),
        AWAY,
    ),
}


@pytest.mark.parametrize(("said", "expected"), WORDS.values(), ids=WORDS)
def test_what_the_words_tell(said: ErrorAnswer, expected: Ailment) -> None:
    assert ailment_of(said) is expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/apis/metrics.k8s.io/v1beta1/nodes", "v1beta1.metrics.k8s.io"),
        ("/apis/metrics.k8s.io/v1beta1", "v1beta1.metrics.k8s.io"),
        ("/apis/metrics.k8s.io", None),
        ("/apis/apps/v1/namespaces/shop/deployments/web", None),
        ("/api/v1/namespaces/shop/configmaps/web", None),
        ("/apis", None),
    ],
)
def test_the_api_service_of_a_path(path: str, name: str | None) -> None:
    assert api_service(path) == name


# -- several requests at once


def test_patience_is_the_outages_and_not_each_requests() -> None:
    """Of many objects that a webhook holds up, the later ones don't wait for it once more."""
    assert WEBHOOK.example is not None
    ill = Ill(WEBHOOK.example)
    ended(ill.client, WEBHOOK.example, ill.now + 600)
    for _ in range(20):
        ended(ill.client, WEBHOOK.example, ill.now + 600)
    assert ill.now - 1000 <= 30
    assert len(ill.said) == 1
    ill.close()


def test_an_outage_of_long_ago_counts_for_nothing() -> None:
    assert WEBHOOK.example is not None
    ill = Ill(WEBHOOK.example)
    ended(ill.client, WEBHOOK.example, ill.now + 600)
    ill.now += 60
    ill.left = 3
    assert ill.client.until(ill.now + 600).send(request(WEBHOOK.example)).body == WRITTEN
    ill.close()


def test_a_part_that_is_ill_is_not_well_again_because_others_are() -> None:
    """The webhook's outage goes on while requests that it has nothing to do with go through."""
    assert WEBHOOK.example is not None
    ill = Ill(WEBHOOK.example, times=4)
    slept = ill.sleep

    def sleeping(seconds: float) -> None:
        slept(seconds)
        ill.client.send(Request("GET", "/version"))

    ill.client._sleep = sleeping
    ill.client.until(ill.now + 60).send(request(WEBHOOK.example))
    assert [line.partition(",")[0] for line in ill.said][1:] == ["the webhook check.example.com answers again"]
    ill.close()


def test_trouble_that_comes_back_at_once_is_not_told_again() -> None:
    assert ETCD.example is not None
    ill = Ill(ETCD.example, times=1)
    for _ in range(5):
        ill.left = 1
        ill.client.until(ill.now + 60).send(request(ETCD.example))
    assert len(ill.said) == 2
    ill.close()


def test_a_refusal_after_a_lost_answer_may_hide_that_it_was_done() -> None:
    """An apply whose first answer was lost and whose second try is refused: nobody knows."""
    assert ETCD.example is not None
    ill = Ill(ETCD.example, times=1)
    ill.client._sleep = lambda seconds: setattr(ill, "left", 1) or setattr(ill, "example", forbidden)
    forbidden = ErrorAnswer(403, "no", "Forbidden")
    error = ended(ill.client, ETCD.example, ill.now + 60)
    assert isinstance(error, ApiError) and error.exit_code is ExitCode.REFUSED
    assert error.may_be_done
    ill.close()


def test_somebody_elses_object_found_after_a_lost_answer_is_not_ours() -> None:
    assert ETCD.example is not None
    ill = Ill(ETCD.example)

    def look() -> None:
        raise NotFoundError("it is not this one", code=404)

    with pytest.raises(NotFoundError) as caught:
        deliver(ill.client.until(ill.now + 60), request(ETCD.example, retry=False), look)
    assert not caught.value.may_be_done
    ill.close()


def test_nobody_can_look() -> None:
    assert ETCD.example is not None
    ill = Ill(ETCD.example)

    def look() -> None:
        raise AnswerLostError("may not look")

    with pytest.raises(AnswerLostError) as caught:
        deliver(ill.client.until(ill.now + 60), request(ETCD.example, retry=False), look)
    assert caught.value.may_be_done
    ill.close()


@pytest.mark.parametrize(
    ("body", "is_bound"),
    [
        ({"metadata": {"name": "a"}}, False),
        ({"metadata": {"resourceVersion": "1"}}, True),
        ({"metadata": {"uid": "1"}}, True),
        ([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}], False),
        ([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}], True),
        ({"spec": {}}, False),
        ([], False),
    ],
)
def test_what_is_meant_for_one_version_only(body: object, is_bound: bool) -> None:
    assert Request("PATCH", "/x", body=json.dumps(body).encode()).is_bound is is_bound
    assert not replace(Request("PATCH", "/x"), body=b"not: json").is_bound
