"""Finds the proxy that the environment names for a server, by the rules of Go's ``httpproxy``, as kubectl does.

Source: golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from k8s_step.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
DEFAULT_PORTS = {"http": 80, "https": 443}
SCHEMES = ("http", "https", "socks5", "socks5h")


def environment_proxy(server: str, environ: Mapping[str, str]) -> str | None:
    """The proxy's URL for ``server``, or ``None``: from ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.

    The upper-case name wins over the lower-case one; ``ALL_PROXY`` is not looked at, as in Go.
    """
    url = urlsplit(server)
    proxy = _either(environ, "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY")
    if not proxy or not _uses_proxy(url, _either(environ, "NO_PROXY")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def checked_environment_proxy(server: str, environ: Mapping[str, str]) -> str | None:
    """As :func:`environment_proxy`. Raises :class:`InputError` where the value is not a proxy's URL."""
    proxy = environment_proxy(server, environ)
    if proxy and not is_proxy(proxy):
        raise InputError(
            "the environment's HTTPS_PROXY or HTTP_PROXY is no proxy URL",
            hint="it looks like http://proxy.example:3128",
        )
    return proxy


def is_proxy(proxy: str) -> bool:
    """Whether ``proxy`` is a proxy's URL with one of the ``SCHEMES``."""
    try:
        url = urlsplit(proxy)
        return url.scheme in SCHEMES and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def may_carry_secrets(url: SplitResult) -> bool:
    """Whether a secret may be sent to ``url``: over TLS, or to this machine."""
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost`` or a loopback address."""
    address = _address(host)
    return host.lower() == "localhost" or bool(address and address.is_loopback)


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _uses_proxy(url: SplitResult, no_proxy: str) -> bool:
    host = (url.hostname or "").lower()
    if is_loopback(host):
        return False
    port = url.port or DEFAULT_PORTS.get(url.scheme, 0)
    rules = [rule.strip().lower() for rule in no_proxy.split(",")]
    return not any(rule and _matches(rule, host, port) for rule in rules)


def _matches(rule: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY fits: ``*``, a network, or an address or domain with an optional port."""
    if rule == "*":
        return True
    address = _address(host)
    if "/" in rule:
        return _in_network(rule, address)
    name, wanted_port = _split_port(rule)
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    if (wanted := _address(name)) is not None:
        return wanted == address
    return _in_domain(name, host)


def _in_network(rule: str, address: Address | None) -> bool:
    try:
        return address is not None and address in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False


def _in_domain(name: str, host: str) -> bool:
    """``example.com`` fits the domain and its subdomains; ``.example.com`` and ``*.example.com`` only subdomains."""
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _split_port(rule: str) -> tuple[str, str]:
    if _address(rule) is not None:
        return rule, ""
    name, colon, port = rule.rpartition(":")
    return (name.strip("[]"), port) if colon else (rule.strip("[]"), "")


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
