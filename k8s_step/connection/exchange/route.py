"""The way to one server: its address, the proxy in between, and TLS on both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from k8s_step.connection.exchange.channel import Channel
from k8s_step.connection.exchange.proxies import DEFAULT_PORTS
from k8s_step.connection.exchange.tls import tls_context
from k8s_step.connection.identity.credentials import Certificate
from k8s_step.connection.settings import Connection

if TYPE_CHECKING:
    from k8s_step.connection.exchange.tunnel import Proxy


class Route:
    """The way to a server: address, proxy and TLS contexts, made once for all connections.

    ``forwarded``: the proxy is sent each request with the whole URL and its login, as for plain HTTP; other requests
    go through a tunnel.
    """

    def __init__(self, connection: Connection, certificate: Certificate | None) -> None:
        url = urlsplit(connection.server)
        self.host, self.port = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
        self.context = tls_context(connection, certificate) if url.scheme == "https" else None
        self.server_name = connection.tls_server_name or self.host.partition("%")[0].rstrip(".")
        self.proxy = _proxy_of(connection)
        self.forwarded = self.context is None and self.proxy is not None and not self.proxy.is_socks

    @property
    def authority(self) -> str:
        """The server's ``host:port``, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def reach(self, channel: Channel, deadline: float) -> Any:
        """A socket whose other end is the server, or a proxy that forwards requests to it."""
        if self.proxy is None:
            return channel.dial(self.host, self.port, deadline)
        from k8s_step.connection.exchange import tunnel

        return tunnel.reach(self.proxy, self, channel, deadline)


def _proxy_of(connection: Connection) -> Proxy | None:
    if not connection.proxy_url:
        return None
    from k8s_step.connection.exchange import tunnel  # imported late: few servers are behind a proxy

    return tunnel.proxy_of(connection, connection.proxy_url)
