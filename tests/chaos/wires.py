"""What breaks between the step and the server, as actions of the proxy; and when, counted in the step's requests."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.plan import Act, When
from tests.faults import proxy as faults
from tests.faults.proxy import Action, Exchange, Match, Proxy, Recorded

SLOW_SECONDS = 1.5


def cut_at(count: int) -> Action:
    """Pass on so many bytes of the answer's body, then reset the connection."""

    def action(exchange: Exchange) -> None:
        answer = exchange.ask()
        is_stream = answer.chunked or answer.length is None
        length = {"Transfer-Encoding": "chunked"} if is_stream else {"Content-Length": str(answer.length)}
        exchange._head(answer.status, {"Content-Type": answer.getheader("Content-Type", ""), **length})
        left = count
        while left > 0 and (data := answer.read1(left) if is_stream else answer.read(left)):
            _pass_on(exchange, data, is_stream)
            left -= len(data)
        exchange.cut("cut at a byte", reset=True)

    return action


def _pass_on(exchange: Exchange, data: bytes, is_stream: bool) -> None:
    if not is_stream:
        exchange.handler.wfile.write(data)
        return exchange.handler.wfile.flush()
    exchange.handler.chunk(data)
    return exchange.proxy.heard(exchange.record, data)


def action_of(act: Act) -> Action:
    """What an act does to a request."""
    return _ACTIONS[act.what](act)


_ACTIONS: dict[str, Callable[[Act], Action]] = {
    "burst": lambda act: faults.throttle(1) if act.code == 429 else faults.fail(act.code),
    "cut-before": lambda act: faults.cut_before(reset=bool(act.count % 2)),
    "cut-after": lambda act: faults.cut_after(reset=bool(act.count % 2)),
    "cut-midway": lambda _: faults.cut_midway(),
    "cut-bytes": lambda act: cut_at(act.count),
    "html": lambda _: faults.html(502),
    "gone": lambda _: faults.gone_event(),
    "slow": lambda _: faults.delay(SLOW_SECONDS),
}
WIRES = tuple(_ACTIONS)


def times_of(act: Act) -> int:
    """To how many requests."""
    return 1 if act.what in ("cut-bytes", "slow") else act.count


def moment(proxy: Proxy, when: When, what: str) -> Match:
    """From the moment on: the match of the requests that an act is for."""
    counted = _COUNTED.get(when.on)

    def match(request: Recorded) -> bool:
        # Called under the proxy's lock, after the request was added to the list.
        if counted and sum(map(counted, proxy.requests)) < when.count:
            return False
        if what == "gone":
            return request.watch
        return not request.by_line if what == "cut-midway" else True

    return match


def is_write(request: Recorded) -> bool:
    """Whether it may change something."""
    asks = request.path.endswith(("reviews", "/token"))
    return request.method not in ("GET", "HEAD") and "dryRun" not in request.query and not asks


_COUNTED: dict[str, Callable[[Recorded], bool]] = {
    "request": lambda _: True,
    "write": is_write,
    "watch": lambda request: request.watch,
}
