"""Translates the exceptions of sockets, TLS and ``http.client`` into plain words for the user."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from k8s_step.connection.settings import Connection


class Fault(Exception):  # noqa: N818 - raised and caught between transport and client only
    """An HTTP exchange ended without a whole answer.

    ``sent``: the server may have acted on the request; ``lasting``: another try will not help; ``silent``: the timeout
    passed without a byte of an answer.
    """

    def __init__(
        self, reason: str, hint: str | None = None, *, sent: bool = True, lasting: bool = False, silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.sent = sent
        self.lasting = lasting
        self.silent = silent


class Undialled(Exception):  # noqa: N818 - as above, and so for the next three
    """No connection to the host was made; the cause tells why."""


class DialTimeout(Undialled):
    """No connection to the host was made in time."""


class ProxyTrouble(Exception):  # noqa: N818
    """The proxy did not connect us to the server. ``code``: the status of its answer, if that is why."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


class BadPacking(http.client.HTTPException):
    """A body is not compressed as its header says."""


ERRORS = (Undialled, ProxyTrouble, http.client.HTTPException, OSError, ValueError)
_NOT_SENT = (Undialled, ProxyTrouble, ssl.SSLCertVerificationError)
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # OpenSSL's X509_V_ERR_* for chains without a trusted root
_CERTIFICATE_PROBLEMS = {
    9: ("the server's certificate is not valid yet", "look at this machine's clock"),
    10: ("the server's certificate has expired", "look at this machine's clock, or renew the certificate"),
}


def fault_of(error: BaseException, connection: Connection, timeout: float) -> Fault:
    """The :class:`Fault` with a plain reason for ``error``, found in the layers of exceptions that wrap the cause."""
    links = list(_chain(error))
    # PySocks is optional, so its exceptions are recognized by module. A request that a proxy refused was not sent.
    by_socks = [str(getattr(link, "msg", "")) for link in links if type(link).__module__ == "socks"]
    if told := _told_by_socks(by_socks):
        return Fault(f"the proxy {without_password(connection.proxy_url)}: {told[0]}", told[1], sent=False)
    for kind, explain in _EXPLANATIONS:
        link = next((link for link in links if isinstance(link, kind)), None)
        if link is not None:
            fault = explain(link, connection, timeout)
            break
    else:
        fault = Fault("the connection failed")
    sent = fault.sent and not any(isinstance(link, _NOT_SENT) for link in links)
    proxied = bool(by_socks) or any(isinstance(link, ProxyTrouble) for link in links)
    reason = f"the proxy {without_password(connection.proxy_url)}: {fault.reason}" if proxied else fault.reason
    return Fault(reason, fault.hint, sent=sent, lasting=fault.lasting, silent=fault.silent)


def _told_by_socks(messages: Iterable[str]) -> tuple[str, str] | None:
    """A SOCKS proxy's error and a hint; ``None`` if the proxy was not reached, which an inner exception explains.

    Source: PySocks 1.7, whose messages contain the reply's code (RFC 1928) and its meaning.
    """
    for said in messages:
        if reply := re.search(r"0x0[1-8]: (.+)", said):
            return f"it answered: {reply[1].lower()}", "may it, and can it, reach the server?"
        for words, told in _BY_SOCKS:
            if words in said:
                return told
    return None


_BY_SOCKS = (
    ("authentication", ("it wants a user and a password, or others", "give them in the proxy's URL")),
    ("invalid data", ("it does not speak SOCKS5", "is it an http proxy?")),
    ("closed unexpectedly", ("it closed the connection", "is it a SOCKS5 proxy?")),
)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and each exception inside it: causes, reasons and arguments."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [getattr(link, "reason", None), link.__cause__, link.__context__, *link.args]


def _explain_certificate(link: BaseException, connection: Connection, _: float) -> Fault:
    code = getattr(link, "verify_code", 0)
    if code in _UNKNOWN_AUTHORITY:
        hint = "the CA given is not the one that signed it" if connection.ca else "pass the cluster's CA with --ca"
        return Fault("the server's certificate is signed by an unknown authority", hint, sent=False, lasting=True)
    if code in _CERTIFICATE_PROBLEMS:
        return Fault(*_CERTIFICATE_PROBLEMS[code], sent=False, lasting=True)
    name = connection.tls_server_name or urlsplit(connection.server).hostname
    if code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        hint = "use a name it is for, or set tls-server-name in the kubeconfig"
        return Fault(f"the server's certificate is not for {name}", hint, sent=False, lasting=True)
    message = getattr(link, "verify_message", "") or "it does not verify"
    return Fault(f"the server's certificate is refused: {message}", sent=False, lasting=True)


def _explain_tls(link: BaseException, _: Connection, __: float) -> Fault:
    reason = str(getattr(link, "reason", "") or "")
    if isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Fault("the server closed the connection")
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return Fault("the server does not speak TLS", "use http:// if that is meant", sent=False, lasting=True)
    if "CERTIFICATE" in reason:
        return Fault(f"the server refused our client certificate, or wants one ({reason})", sent=False, lasting=True)
    return Fault(f"TLS failed ({reason or 'unknown reason'})")


def _explain_name(link: BaseException, connection: Connection, _: float) -> Fault:
    proxy = urlsplit(connection.proxy_url or "").hostname
    name = proxy or urlsplit(connection.server).hostname
    passing = getattr(link, "errno", None) == socket.EAI_AGAIN
    reason = f"the name {name} could not be looked up" if passing else f"the name {name} is not known"
    return Fault(reason, "is the server's address right?", sent=False, lasting=not passing)


def _explain_timeout(_: BaseException, __: Connection, timeout: float) -> Fault:
    return Fault(f"timed out after {timeout:.3g}s", silent=True)


def _explain_no_connection(_: BaseException, __: Connection, timeout: float) -> Fault:
    return Fault(
        f"no connection after {timeout:.3g}s", "is the address right, and is a firewall in between?", sent=False
    )


def _explain_refused(_: BaseException, __: Connection, ___: float) -> Fault:
    return Fault("connection refused", "is it running, and is the port right?", sent=False)


def _explain_not_http(_: BaseException, connection: Connection, __: float) -> Fault:
    hint = "use https:// if that is meant" if connection.server.startswith("http:") else None
    return Fault("the answer is not HTTP", hint)


def _explain_proxy(link: BaseException, _: Connection, __: float) -> Fault:
    code = getattr(link, "code", None)
    return Fault(f"it answered {code}" if code else "it does not let us through", sent=False, lasting=code == 407)


def _explain_system(link: BaseException, _: Connection, __: float) -> Fault:
    return Fault((getattr(link, "strerror", None) or "the connection failed").lower())


def _saying(reason: str, **options: Any) -> Callable[[BaseException, Connection, float], Fault]:
    return lambda *_: Fault(reason, **options)


_EXPLANATIONS: list[tuple[Any, Callable[[BaseException, Connection, float], Fault]]] = [
    (ssl.SSLCertVerificationError, _explain_certificate),
    (ssl.SSLError, _explain_tls),
    ((socket.gaierror, UnicodeError), _explain_name),
    (ConnectionRefusedError, _explain_refused),
    (DialTimeout, _explain_no_connection),
    (TimeoutError, _explain_timeout),
    (http.client.RemoteDisconnected, _saying("the server closed the connection without an answer")),
    (http.client.IncompleteRead, _saying("the answer broke off")),
    (http.client.BadStatusLine, _explain_not_http),
    (ProxyTrouble, _explain_proxy),
    (BadPacking, _saying("the answer is packed wrongly")),
    ((ConnectionResetError, BrokenPipeError), _saying("the connection was cut")),
    (OSError, _explain_system),
    (http.client.HTTPException, _saying("the answer broke off")),
]


def without_password(proxy: str | None) -> str:
    url = urlsplit(proxy or "")
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.hostname}{port}"
