"""``k8s-step/source``, ``--label`` and ``--annotation``: which pipeline shipped an object."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.faults.proxy import Proxy
from tests.integration.objects import Object, config_map, deployment, obj, through, write
from tests.integration.outcomes import actions
from tests.integration.releases import Releases

SOURCE = "k8s-step/source"


def run(number: int) -> dict[str, str]:
    """The environment of a GitLab job."""
    return {"CI_COMMIT_SHA": f"{number}" * 40, "CI_JOB_URL": f"https://lab.example/shop/-/jobs/{number}"}


def source(number: int) -> str:
    return f"commit {str(number) * 40} by https://lab.example/shop/-/jobs/{number}"


def noted(release: Releases, kind: str, name: str) -> str | None:
    value = (release.read(kind, name)["metadata"].get("annotations") or {}).get(SOURCE)
    return None if value is None else str(value)


def test_the_run_that_changed_an_object_is_named(
    step: Step, release: Releases, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    def ship(number: int, *made: Object, options: tuple[str, ...] = ()) -> dict[str, str]:
        path = write(tmp_path / "release.yaml", *made)
        line = ("apply", "-f", path, "-n", namespace, *options)
        outcome = step(*line, env=through(proxy, **run(number)), report=True)
        assert outcome.code == 0, outcome.text
        return actions(outcome)

    web, settings = deployment("web"), config_map("settings", colour="red")
    assert set(ship(1, web, settings).values()) == {"created"}
    assert noted(release, "deployment", "web") == noted(release, "cm", "settings") == source(1)
    assert source(1) in release.kubectl("describe", "deployment", "web")
    assert SOURCE not in str(release.read("deployment", "web")["spec"])

    version = release.read("cm", "settings")["metadata"]["resourceVersion"]
    sent = len(proxy.writes)
    assert set(ship(2, web, settings).values()) == {"unchanged"}
    assert len(proxy.writes) == sent, "nothing was written for the annotation's sake"
    assert release.read("cm", "settings")["metadata"]["resourceVersion"] == version

    changed = config_map("settings", colour="blue")
    assert ship(3, web, changed) == {"Deployment/web": "unchanged", "ConfigMap/settings": "configured"}
    assert (noted(release, "deployment", "web"), noted(release, "cm", "settings")) == (source(1), source(3))

    assert set(ship(4, web, changed, options=("--no-source-annotation",)).values()) == {"unchanged"}
    assert noted(release, "cm", "settings") == source(3)
    ship(5, web, settings, options=("--no-source-annotation",))
    assert noted(release, "cm", "settings") is None, "the value of another release would be wrong"


def test_an_object_in_other_words_stays_unchanged(
    step: Step, release: Releases, namespace: str, tmp_path: Path
) -> None:
    """``1000m`` is ``1`` to the server alone: its dry run tells."""
    quota = obj("v1", "ResourceQuota", "quota", spec={"hard": {"cpu": "1000m"}})
    path = write(tmp_path / "release.yaml", quota)
    for number, action in ((1, "created"), (2, "unchanged"), (3, "unchanged")):
        for options in ((), ("--no-preflight",), ("--diff",))[: number if number > 1 else 1]:
            outcome = step("apply", "-f", path, "-n", namespace, *options, env=run(number), report=True)
            assert actions(outcome) == {"ResourceQuota/quota": action}, outcome.text
            assert SOURCE not in outcome.text
    assert noted(release, "quota", "quota") == source(1)


def test_what_is_there_already_is_not_written_for_it(
    step: Step, release: Releases, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map())
    for number, environ in enumerate(({}, run(2))):
        outcome = step("apply", "-f", path, "-n", namespace, env=environ, report=True)
        assert actions(outcome) == {"ConfigMap/settings": ("created", "unchanged")[number]}, outcome.text
    assert noted(release, "cm", "settings") is None


def test_no_difference_shows_it(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(colour="red"))
    assert SOURCE not in step("diff", "-f", path, "-n", namespace, env=run(1)).text
    assert step("apply", "-f", path, "-n", namespace, env=run(1)).code == 0
    path = write(tmp_path / "release.yaml", config_map(colour="blue"))
    shown = step("apply", "--diff", "-f", path, "-n", namespace, env=run(2)).text
    assert "+  colour: blue" in shown
    assert "-    k8s-step/source" not in shown and "+    k8s-step/source" not in shown


def test_a_rollback_brings_the_earlier_one_back(step: Step, release: Releases, namespace: str, tmp_path: Path) -> None:
    good, bad = deployment("web"), deployment("web", "shop/crash:1")
    for number, made, code in ((1, good, 0), (2, bad, 6)):
        path = write(tmp_path / "release.yaml", made)
        outcome = step("apply", "-f", path, "-n", namespace, "--rollback-on-failure", env=run(number))
        assert outcome.code == code, outcome.text
    assert noted(release, "deployment", "web") == source(1)


def test_undo_and_apply_afterwards(step: Step, release: Releases, namespace: str, tmp_path: Path) -> None:
    one, two = deployment("web", "shop/app:1"), deployment("web", "shop/app:2")
    for number, made in ((1, one), (2, two)):
        assert step("apply", "-f", write(tmp_path / "r.yaml", made), "-n", namespace, env=run(number)).code == 0
    assert step("undo", "deployment/web", "-n", namespace, env=run(3)).code == 0
    assert noted(release, "deployment", "web") == source(1), "as of the revision"
    outcome = step("apply", "-f", str(tmp_path / "r.yaml"), "-n", namespace, env=run(4))
    assert outcome.code == 0, outcome.text
    assert noted(release, "deployment", "web") == source(4)


def test_another_managers_annotation_is_no_conflict(
    step: Step, release: Releases, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(colour="red"))
    assert step("apply", "-f", path, "-n", namespace, env=run(1)).code == 0
    path = write(tmp_path / "release.yaml", config_map(size="big"))
    outcome = step("apply", "-f", path, "-n", namespace, "--field-manager", "other", env=run(2))
    assert outcome.code == 0, outcome.text
    assert noted(release, "cm", "settings") == source(1)


def test_labels_and_annotations_of_the_options(
    step: Step, kubectl: Kubectl, release: Releases, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", deployment("web"), config_map())
    marks = ("--label", "team=shop", "--annotation", "example.com/ticket=SHOP-1, SHOP-2")
    assert "+    team: shop" in step("diff", "-f", path, "-n", namespace, *marks).text
    assert step("apply", "-f", path, "-n", namespace, *marks).code == 0
    for kind in ("deployment", "cm"):
        (found,) = [one for one in release.read(kind) if one["metadata"].get("labels", {}).get("team") == "shop"]
        assert found["metadata"]["annotations"]["example.com/ticket"] == "SHOP-1, SHOP-2"
    assert "team" not in release.read("deployment", "web")["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--label", "team"), "--label: 'team' is not written K=V"),
        (("--label", "team=a b"), "--label team: 'a b' is no label's value"),
        (("--annotation", "k8s-step/wiat=false"), "did you mean k8s-step/wait?"),
        (("--annotation", "k8s-step/timeout=soon"), "--annotation: k8s-step/timeout: 'soon' is not a duration"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(
    words: tuple[str, ...], told: str, step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", config_map()), *words, env=through(proxy))
    assert (outcome.code, proxy.requests) == (2, []), outcome.text
    assert told in outcome.stderr
