"""What docs/quick-start.md tells a new user to type gives credentials with which a release can be made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.docs.tables import ROOT
from tests.integration.objects import config_map, deployment, write

PAGE = (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8")


def test_a_token_with_no_more_rights_than_the_release_needs(
    step: Step, owned: Cluster, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    section = PAGE[PAGE.index("## 3.") : PAGE.index("## 4.")].replace("-n shop", f"-n {namespace}")
    section = section.replace("shop/deployer", f"{namespace}/deployer")
    make, read = re.findall(r"```sh\n(.*?)```", section, re.S)
    (tmp_path / "k8s").mkdir()
    write(tmp_path / "k8s" / "web.yaml", config_map(tone="kind"), deployment("web", "shop/web:1"))
    owned.write_kubeconfig(tmp_path / "config")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config")}

    def run(script: str) -> str:
        line = ["bash", "-e", "-o", "pipefail", "-c", script]
        answer = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, f"{script}\n{answer.stderr}"
        return answer.stdout

    run(make)
    poll(lambda: "token" in kubectl("-n", namespace, "get", "secret", "deployer", "-o", "yaml").stdout, "its token")
    lines = [re.fullmatch(r"(.*?) +# (K8S_\w+)\b.*", line) for line in read.splitlines()]
    stored = {found[2]: run(found[1]).strip() for found in lines if found}
    assert set(stored) == {"K8S_API", "K8S_CA", "K8S_TOKEN"}
    outcome = step("apply", "-f", "k8s/", "-n", namespace, env={"KUBECONFIG": None, **stored}, cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    refused = step("delete", "configmap/settings", "-n", namespace, env={"KUBECONFIG": None, **stored})
    assert refused.code == 4, refused.text
    kubectl("-n", namespace, "delete", "secret", "deployer")  # the namespace's name, which is in it, is no secret
