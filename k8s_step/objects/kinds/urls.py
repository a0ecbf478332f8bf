"""The URL at which users reach a release: of its Ingress, HTTPRoute or load-balanced Service."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping

from k8s_step.objects.conditions import mapping, mappings, spec, status
from k8s_step.objects.metadata import Object

_PORTS = {"http": 80, "https": 443}


def url_of(objects: Iterable[Object]) -> str:
    """The URL of the first Ingress that names a host, else of the first HTTPRoute, else of a Service with an address.

    ``objects``: as the server returned them, in the manifests' order. Empty where none of them has a URL.
    """
    known = list(objects)
    for kind, find in _RULES.items():
        for obj in known:
            is_meant = obj.get("kind") == kind[1] and str(obj.get("apiVersion")).partition("/")[0] == kind[0]
            if is_meant and (url := find(obj)):
                return url
    return ""


def _of_ingress(ingress: Object) -> str:
    """The first rule with a host that is no wildcard; https where a ``tls`` entry covers the host."""
    found = spec(ingress)
    for rule in mappings(found.get("rules")):
        host = str(rule.get("host") or "")
        if host and "*" not in host:
            covered = [name for entry in mappings(found.get("tls")) for name in entry.get("hosts") or ()]
            scheme = "https" if any(fnmatch.fnmatch(host, str(name)) for name in covered) else "http"
            return f"{scheme}://{host}{_path(mappings(mapping(rule.get('http')).get('paths')))}"
    return ""


def _path(paths: list[Object]) -> str:
    """``/`` where a rule serves it or names no path, else the first path, without the syntax of regular expressions."""
    found = [str(each.get("path") or "/") for each in paths]
    plain = [path for path in found if not any(sign in path for sign in "()*^$[]|\\")]
    return "/" if "/" in found or not plain else plain[0]


def _of_route(route: Object) -> str:
    """The first hostname that is no wildcard. The scheme is the Gateway's affair; nearly all of them have https."""
    hosts = [str(host) for host in spec(route).get("hostnames") or () if "*" not in str(host)]
    return f"https://{hosts[0]}/" if hosts else ""


def _of_service(service: Object) -> str:
    """The load balancer's address, with the port that is named https or 443, else the first TCP port."""
    addresses = mappings(mapping(status(service).get("loadBalancer")).get("ingress"))
    host = next((str(each.get("hostname") or each.get("ip") or "") for each in addresses), "")
    ports = [port for port in mappings(spec(service).get("ports")) if port.get("protocol") != "UDP"]
    if not host or not ports:
        return ""
    secure = next((port for port in ports if port.get("port") == 443 or port.get("name") == "https"), None)
    scheme, port = ("https", secure or {}) if secure else ("http", ports[0])
    place = f"[{host}]" if ":" in host else host
    number = port.get("port")
    return f"{scheme}://{place}/" if number == _PORTS[scheme] else f"{scheme}://{place}:{number}/"


_RULES: Mapping[tuple[str, str], Callable[[Object], str]] = {
    ("networking.k8s.io", "Ingress"): _of_ingress,
    ("gateway.networking.k8s.io", "HTTPRoute"): _of_route,
    ("v1", "Service"): _of_service,
}
