"""Every host of a cloud behind one loopback server, told apart by the ``Host`` header."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.unit.loopback import Exchange, Handler, Loopback


class Hosts(Loopback):
    """A context manager; ``environ`` sends all that the step asks of a cloud here."""

    def __init__(self, hosts: Mapping[str, Handler]) -> None:
        super().__init__(self._route)
        self.hosts = dict(hosts)

    @property
    def environ(self) -> dict[str, str]:
        return {"K8S_STEP_TEST_CLOUDS": self.url}

    def asked(self, host: str) -> list[Exchange]:
        """The requests for this host."""
        return [exchange for exchange in self.exchanges if exchange.header("Host") == host]

    def _route(self, exchange: Exchange) -> None:
        handler = self.hosts.get(exchange.header("Host") or "")
        if handler is None:
            exchange.reply(404, b"<html>nobody of that name")
        else:
            handler(exchange)


def form(exchange: Exchange) -> dict[str, str]:
    """The body as a form, each field once."""
    pairs = parse_qsl(exchange.body.decode(), strict_parsing=True, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def path(exchange: Exchange) -> str:
    return urlsplit(exchange.target).path


def query(exchange: Exchange) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(exchange.target).query))


def body(exchange: Exchange) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exchange.body)
    return found


Verified = Callable[[str], dict[str, Any] | None]
"""What gives a token's claims where its signature is its issuer's."""
