"""Go's rules for the environment's proxies."""

from __future__ import annotations

import pytest

from k8s_step.connection.exchange.proxies import environment_proxy, is_loopback

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://localhost:6443", ""),
        ("https://127.0.0.9:6443", ""),
        ("https://[::1]:6443", ""),
        ("https://api.example", "*"),
        ("https://api.example", "other, example"),
        ("https://api.example", "API.EXAMPLE"),
        ("https://api.example", "api.example:443"),
        ("https://api.example:6443", "api.example:6443"),
        ("https://api.example", ".example"),
        ("https://api.example", "*.example"),
        ("https://10.1.2.3", "10.0.0.0/8"),
        ("https://10.1.2.3", "10.1.2.3"),
        ("https://10.1.2.3:6443", "10.1.2.3:6443"),
        ("https://[fd00::1]", "fd00::/8"),
        ("https://[fd00::1]:6443", "[fd00::1]:6443"),
    ],
)
def test_no_proxy(server: str, no_proxy: str) -> None:
    assert environment_proxy(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None


@pytest.mark.parametrize(
    ("server", "no_proxy"),
    [
        ("https://api.example", ""),
        ("https://api.example", "example.org,pi.example"),
        ("https://example", ".example"),
        ("https://example", "*.example"),
        ("https://api.example:6443", "api.example:443"),
        ("https://10.1.2.3", "11.0.0.0/8, 10.1.2.4, 300.0.0.0/8"),
        ("https://10.1.2.3", ":443"),
        ("https://localhost.example", ""),
    ],
)
def test_proxied(server: str, no_proxy: str) -> None:
    assert environment_proxy(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == PROXY


def test_which_variable() -> None:
    both = {
        "HTTPS_PROXY": "https://upper",
        "https_proxy": "https://lower",
        "http_proxy": "plain:80",
        "ALL_PROXY": PROXY,
    }
    assert environment_proxy("https://api", both) == "https://upper"
    assert environment_proxy("http://api", both) == "http://plain:80"
    assert environment_proxy("https://api", {"ALL_PROXY": PROXY, "HTTP_PROXY": PROXY}) is None
    assert environment_proxy("https://api", {"https_proxy": PROXY, "no_proxy": "api"}) is None


def test_loopback() -> None:
    assert is_loopback("LOCALHOST")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
