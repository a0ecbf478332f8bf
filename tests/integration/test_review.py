"""The change as a review sees it, and the release's URL, on the real control plane; the forge is played on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Step
from tests.integration.objects import config_map, deployment, obj, write
from tests.unit.report.test_comments import TOKEN, Forge


def test_a_review_is_a_table_and_folded_differences(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment("web"), config_map("same", a="1"))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    path = write(
        tmp_path / "release.yaml", deployment("web", "shop/web:2"), config_map("same", a="1"), config_map("new")
    )
    page = tmp_path / "review.md"
    outcome = step("diff", "-f", path, "-n", namespace, "--markdown", str(page))
    assert outcome.code == 0, outcome.text
    text = page.read_text()
    table = [line for line in text.splitlines() if line.startswith("| <code>")]
    assert len(table) == 2 and "configmap/same" not in "".join(table)
    assert "| configured | +1 −1 |" in next(line for line in table if "/web<" in line)
    assert "| created | +" in next(line for line in table if "/new<" in line)
    assert text.count("<details>") == 2


def test_one_comment_of_a_merge_request_is_kept_up_to_date(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "release.yaml", config_map("new", a="1"), obj("v1", "Secret", "key", stringData={"k": "hush-hush"})
    )
    forge = Forge("a reviewer's words")
    with forge.http:
        env = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": forge.http.url,
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_IID": "7",
            "K8S_COMMENT_TOKEN": TOKEN,
        }
        assert step("diff", "-f", path, "-n", namespace, "--comment", env=env).code == 0
        assert len(forge.bodies) == 2 and "2 would change" in forge.bodies[1]
        assert "hush-hush" not in forge.bodies[1]
        assert step("apply", "-f", path, "-n", namespace).code == 0
        assert step("diff", "-f", path, "-n", namespace, "--comment", env=env).code == 0
        assert len(forge.bodies) == 2 and "would change" not in forge.bodies[1]
        broken = write(tmp_path / "broken.yaml", config_map("new", a="${NOWHERE}"))
        assert step("diff", "-f", broken, "-n", namespace, "--comment", env=env).code == 2
        assert len(forge.bodies) == 2 and "NOWHERE" in forge.bodies[1], "before it knew its server"
        forge.refusal = (403, "Forbidden")
        outcome = step("diff", "-f", path, "-n", namespace, "--comment", env=env)
    assert outcome.code == 0
    assert "refused with 403: Forbidden" in outcome.stderr and "the review is in the log" in outcome.stderr
    assert TOKEN not in outcome.text


@pytest.mark.parametrize("tls", [True, False])
def test_the_url_of_an_ingress(tls: bool, step: Step, namespace: str, tmp_path: Path) -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "shop.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"rules": [rule], **({"tls": [{"hosts": ["shop.example.com"], "secretName": "tls"}]} if tls else {})}
    path = write(tmp_path / "release.yaml", {**obj("networking.k8s.io/v1", "Ingress", "web"), "spec": spec})
    dotenv = tmp_path / "out.env"
    outcome = step(
        "apply", "-f", path, "-n", namespace, "--no-wait-for", "Ingress", "--dotenv", str(dotenv), report=True
    )
    assert outcome.code == 0, outcome.text
    url = f"{'https' if tls else 'http'}://shop.example.com/"
    assert outcome.report is not None and outcome.report["url"] == url
    assert f"K8S_STEP_URL={url}\n" in dotenv.read_text()
