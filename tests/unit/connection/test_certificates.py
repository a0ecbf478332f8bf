"""A CA as it arrives from a variable: whole, on one line, with literal line breaks, encoded, cut."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path

import pytest

from k8s_step.connection.certificates import read_ca
from k8s_step.errors import InputError, MissingFileError
from tests.controlplane.pki import Authority

PEM = Authority("the cluster").certificate.decode()
TWO = PEM + Authority("another").certificate.decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _count(pem: bytes) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    return len(context.get_ca_certs())


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda text: text, id="as it is"),
        pytest.param(lambda text: text.replace("\n", " "), id="blanks"),
        pytest.param(lambda text: text.replace("\n", ""), id="nothing"),
        pytest.param(lambda text: text.replace("\n", "\\n"), id="literal"),
        pytest.param(lambda text: text.replace("\n", "\\r\\n"), id="literal of Windows"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="of Windows"),
        pytest.param(json.dumps, id="a JSON string"),
        pytest.param(lambda text: f"# the CA\n{text}", id="a comment"),
        pytest.param(_encoded, id="base64"),
        pytest.param(lambda text: _encoded(_encoded(text)), id="base64 twice"),
        pytest.param(lambda text: _encoded(text.replace("\n", " ")), id="base64 of blanks"),
    ],
)
@pytest.mark.parametrize(("text", "count"), [(PEM, 1), (TWO, 2)], ids=["one", "two"])
def test_every_form_is_mended(given, text: str, count: int) -> None:  # type: ignore[no-untyped-def]
    pem, name = read_ca(given(text), "K8S_CA")
    assert (_count(pem), name) == (count, "K8S_CA")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (PEM[:-40], "K8S_CA: a certificate has its BEGIN line, but no END line"),
        (PEM.replace("MII", "M!I"), "K8S_CA: a certificate in it is not base64"),
        ("***", "K8S_CA is no PEM text, no base64 of it and no file"),
        (_encoded("no certificate at all"), "K8S_CA is no PEM text"),
        ("x" * 5000, "K8S_CA is no PEM text"),
    ],
)
def test_what_is_none(value: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_ca(value, "K8S_CA")
    assert value not in str(caught.value)


def test_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    with pytest.raises(MissingFileError, match=f"K8S_CA {path} is no PEM text"):
        read_ca(str(path), "K8S_CA")
    path.write_text("not a certificate")
    with pytest.raises(InputError, match=f"K8S_CA {path} holds no PEM certificate"):
        read_ca(str(path), "K8S_CA")
    path.write_text(PEM)
    assert read_ca(str(path), "--ca") == (PEM.encode(), f"--ca {path}")
