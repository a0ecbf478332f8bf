"""The way to a server through a proxy: forwarded or tunnelled by HTTP, or by SOCKS5."""

from __future__ import annotations

import base64
import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from k8s_step.connection.exchange.channel import Channel, left, secured, set_options
from k8s_step.connection.exchange.faults import DialTimeout, ProxyTrouble, Undialled, without_password
from k8s_step.connection.exchange.proxies import DEFAULT_PORTS
from k8s_step.connection.exchange.tls import tls_context
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError

if TYPE_CHECKING:
    from k8s_step.connection.exchange.route import Route

_SOCKS_PORT = 1080


@dataclass(frozen=True)
class Proxy:
    """A proxy, its login, and the TLS context for a proxy that is itself reached by TLS."""

    host: str
    port: int
    user: str | None
    password: str | None
    is_socks: bool
    context: ssl.SSLContext | None

    @property
    def authorization(self) -> str | None:
        """The value of ``Proxy-Authorization``; ``None`` without a user."""
        if self.user is None:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode()


def proxy_of(connection: Connection, proxy_url: str) -> Proxy:
    """The proxy of a connection. Raises :class:`InputError` for a SOCKS proxy without PySocks."""
    url = urlsplit(proxy_url)
    is_socks = url.scheme.startswith("socks")
    port = url.port or (_SOCKS_PORT if is_socks else DEFAULT_PORTS[url.scheme])
    if is_socks:
        _socks(proxy_url)
    # As in Go, a proxy's own certificate is checked against the cluster's CA. The system's trust store counts as well,
    # since a company's proxy is usually signed by a CA in it.
    context = tls_context(connection, None, with_system=True) if url.scheme == "https" else None
    user, password = (None if part is None else unquote(part) for part in (url.username, url.password))
    return Proxy(url.hostname or "", port, user, password, is_socks, context)


def _socks(proxy_url: str) -> Any:
    """The module of PySocks. Raises :class:`InputError` where it is not installed."""
    try:
        import socks  # type: ignore[import-untyped]  # an extra, imported only where a SOCKS proxy is used
    except ImportError:
        raise InputError(
            "a SOCKS proxy needs PySocks, which is not installed",
            where=without_password(proxy_url),
            hint="pip install 'k8s-step[socks]' (the image holds it), or use an http proxy",
        ) from None
    return socks


def reach(proxy: Proxy, route: Route, channel: Channel, deadline: float) -> Any:
    """A socket whose other end is the server, or a proxy that forwards requests."""
    if proxy.is_socks:
        return _by_socks(proxy, route, deadline)
    try:
        return _through(proxy, route, channel, deadline)
    except ProxyTrouble:
        raise
    except (OSError, ValueError, Undialled, http.client.HTTPException) as error:
        raise ProxyTrouble from error


def _through(proxy: Proxy, route: Route, channel: Channel, deadline: float) -> Any:
    sock: Any = channel.dial(proxy.host, proxy.port, deadline)
    try:
        if proxy.context is not None:
            sock = secured(sock, proxy.context, proxy.host, deadline)
        if not route.forwarded:
            _tunnel(proxy, route, channel, sock, deadline)
    except BaseException:
        sock.close()
        raise
    return sock


def _tunnel(proxy: Proxy, route: Route, channel: Channel, sock: Any, deadline: float) -> None:
    """Let the proxy connect to the server. Raises :class:`ProxyTrouble` where it does not."""
    to = route.authority
    login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    sock.settimeout(left(deadline))
    sock.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n".encode("ascii"))
    answer = channel.answer(sock, "CONNECT", deadline)
    answer.close()
    if answer.status != 200:
        raise ProxyTrouble(answer.status)


def _by_socks(proxy: Proxy, route: Route, deadline: float) -> Any:
    """A socket to the server through a SOCKS5 proxy, which looks names up by itself, as with Go."""
    import socks

    try:
        sock = socks.create_connection(
            (route.host, route.port),
            timeout=left(deadline),
            proxy_type=socks.PROXY_TYPE_SOCKS5,
            proxy_addr=proxy.host,
            proxy_port=proxy.port,
            proxy_rdns=True,
            proxy_username=proxy.user,
            proxy_password=proxy.password,
        )
    except TimeoutError as error:
        raise DialTimeout from error
    except socks.ProxyError as error:
        raise (DialTimeout if isinstance(error.socket_err, TimeoutError) else Undialled) from error
    set_options(sock)
    return sock
