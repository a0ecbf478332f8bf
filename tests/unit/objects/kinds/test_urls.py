from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds.urls import url_of

INGRESS, ROUTE, SERVICE = "networking.k8s.io/v1", "gateway.networking.k8s.io/v1", "v1"


def ingress(*rules: Any, tls: Any = None) -> dict[str, Any]:
    return {"apiVersion": INGRESS, "kind": "Ingress", "spec": {"rules": list(rules), **({"tls": tls} if tls else {})}}


def rule(host: str, *paths: str) -> dict[str, Any]:
    return {"host": host, "http": {"paths": [{"path": path} for path in paths]}} if paths else {"host": host}


def route(*hosts: str) -> dict[str, Any]:
    return {"apiVersion": ROUTE, "kind": "HTTPRoute", "spec": {"hostnames": list(hosts)}}


def service(*ports: dict[str, Any], **address: str) -> dict[str, Any]:
    status = {"loadBalancer": {"ingress": [address]} if address else {}}
    return {"apiVersion": SERVICE, "kind": "Service", "spec": {"ports": list(ports)}, "status": status}


@pytest.mark.parametrize(
    ("obj", "url"),
    [
        (ingress(rule("shop.example")), "http://shop.example/"),
        (ingress(rule("shop.example"), tls=[{"hosts": ["shop.example"]}]), "https://shop.example/"),
        (ingress(rule("shop.example"), tls=[{"hosts": ["*.example"]}]), "https://shop.example/"),
        (ingress(rule("shop.example"), tls=[{"hosts": ["other.example"]}]), "http://shop.example/"),
        (ingress(rule("shop.example"), tls=[{"secretName": "tls"}]), "http://shop.example/"),
        (ingress(rule("shop.example", "/api", "/")), "http://shop.example/"),
        (ingress(rule("shop.example", "/api", "/web")), "http://shop.example/api"),
        (ingress(rule("shop.example", "/api(/|$)(.*)")), "http://shop.example/"),
        (ingress({}, rule("*.example"), rule("b.example")), "http://b.example/"),
        (ingress({}), ""),
        (route("shop.example"), "https://shop.example/"),
        (route("*.example", "b.example"), "https://b.example/"),
        (route(), ""),
        (service({"port": 80}, ip="203.0.113.7"), "http://203.0.113.7/"),
        (service({"port": 8080}, hostname="lb.example"), "http://lb.example:8080/"),
        (service({"port": 80}, {"port": 443}, hostname="lb.example"), "https://lb.example/"),
        (service({"port": 8443, "name": "https"}, hostname="lb.example"), "https://lb.example:8443/"),
        (service({"port": 53, "protocol": "UDP"}, ip="203.0.113.7"), ""),
        (service({"port": 80}, ip="2001:db8::7"), "http://[2001:db8::7]/"),
        (service({"port": 80}), ""),
        ({"apiVersion": "example.com/v1", "kind": "Ingress", "spec": {"rules": [rule("shop.example")]}}, ""),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, ""),
        ({"apiVersion": INGRESS, "kind": "Ingress", "spec": None}, ""),
    ],
)
def test_of_one_object(obj: dict[str, Any], url: str) -> None:
    assert url_of([obj]) == url


def test_an_ingress_wins_over_a_route_and_a_route_over_a_service() -> None:
    balanced = service({"port": 80}, ip="203.0.113.7")
    assert url_of([balanced, route("r.example"), ingress(rule("i.example"))]) == "http://i.example/"
    assert url_of([balanced, route("r.example"), ingress({})]) == "https://r.example/"
    assert url_of([ingress({}), balanced, service({"port": 80}, ip="203.0.113.8")]) == "http://203.0.113.7/"
    assert url_of([]) == ""
