from __future__ import annotations

from pathlib import Path

import pytest

from k8s_step.errors import InputError
from k8s_step.fleet.inventory import read_inventory
from k8s_step.fleet.member import Member
from k8s_step.inputs import Inputs

RUN = Inputs(namespace="shop", token="t0", server="https://run.example", contexts=(), clusters_file="clusters.yaml")


def read(folder: Path, text: str, inputs: Inputs = RUN, **environ: str) -> list[Member]:
    path = folder / "clusters.yaml"
    path.write_text(text)
    return read_inventory(str(path), inputs, environ)


def refused(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(InputError) as error:
        read(folder, text, **environ)
    return str(error.value).replace(f"{folder}/", "")


def test_a_cluster_says_what_differs(tmp_path: Path) -> None:
    (tmp_path / "eu.pem").write_text("pem")
    text = """\
clusters:
- name: eu
  server: https://eu.example
  token-env: EU_TOKEN
  ca: eu.pem
  request-timeout: 5s
  header: ['X-Team: shop', 'X-Pipeline: 7']
  var: {REPLICAS: 3, VERSION: 1.10, ON: yes}
- name: us
  context: prod-us
"""
    eu, us = read(tmp_path, text, RUN._replace(variables=("REPLICAS=1",)), EU_TOKEN="secret")
    assert (eu.name, eu.inputs.server, eu.inputs.token, eu.inputs.namespace) == (
        *("eu", "https://eu.example", "secret", "shop"),
    )
    assert eu.inputs.ca == str(tmp_path / "eu.pem") and eu.inputs.request_timeout == 5.0
    assert eu.inputs.header == (("X-Team", "shop"), ("X-Pipeline", "7"))
    assert eu.inputs.variables == ("REPLICAS=1", "REPLICAS=3", "VERSION=1.10", "ON=yes")
    assert eu.hidden == us.hidden == ("EU_TOKEN",)
    assert us.inputs.contexts == ("prod-us",) and us.inputs.server is None and us.inputs.token == "t0"
    assert eu.inputs.clusters_file is None


def test_no_cluster_sees_where_another_s_credentials_come_from(tmp_path: Path) -> None:
    text = "[{name: eu, token-env: EU_TOKEN}, {name: us, header-env: US_HEADER, namespace-env: US_SPACE}]"
    found = read(tmp_path, text, EU_TOKEN="t1", US_HEADER="X-Auth: t2", US_SPACE="shop")
    assert [one.hidden for one in found] == [("EU_TOKEN", "US_HEADER")] * 2


def test_a_cloud_s_cluster_takes_no_token_of_the_run(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "- {name: us, eks-cluster: shop, aws-region: us-east-1}")
    assert (one.inputs.eks_cluster, one.inputs.token, one.inputs.server) == ("shop", None, None)


def test_a_context_is_looked_for_in_the_run_s_kubeconfig(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "- {name: us, context: us}", RUN._replace(kubeconfigs=("all.yaml",)))
    assert one.inputs.kubeconfig == "all.yaml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "clusters.yaml:1: a list of clusters belongs there"),
        ("clusters: []", "clusters.yaml:1: a list of clusters belongs there"),
        ("clusters: [{name: a}]\nmore: 1", "clusters.yaml:1: a list of clusters belongs there"),
        ("- context: eu", "clusters.yaml:1: a cluster needs a name (name: eu)"),
        ("- just text", "clusters.yaml:1: a cluster needs a name"),
        ("- name: a\n- name: b\n- name: a", "clusters.yaml:3: another cluster of the file is named a too"),
        ("- name: a;b", "clusters.yaml:1: 'a;b' can't be told in --waves"),
        ("- name: a\n  contxt: b", "clusters.yaml:2: contxt is no option of a cluster (known are name, server"),
        ("- name: a\n  report: b", "clusters.yaml:2: report is no option of a cluster"),
        ("- name: a\n  token: abc", "clusters.yaml:2: the file is no place for a secret such as token (token-env"),
        (
            "- name: a\n  header: 'Authorization: abc'",
            "clusters.yaml:2: the file is no place for a secret header",
        ),
        ("- name: a\n  token-env: NONE", "clusters.yaml:2: the variable NONE is not set"),
        ("- name: a\n  server: [b]", "clusters.yaml:2: a single text or number belongs there"),
        ("- name: a\n  request-timeout: soon", "clusters.yaml:2: "),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, text: str, told: str) -> None:
    assert refused(tmp_path, text).startswith(told)


def test_no_secret_of_the_file_is_quoted(tmp_path: Path) -> None:
    assert "abc123" not in refused(tmp_path, "- name: a\n  token: abc123\n  header: 'Authorization: abc123'")


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path, "- name: a\n  one: 1\n  two: 2\n- context: eu")
    assert [line.split(": ")[0] for line in told.splitlines()] == [f"clusters.yaml:{line}" for line in (2, 3, 4)]
