"""From ``kubectl apply`` to the step and back: whose fields are taken over, what is refused, and what goes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step
from tests.faults.proxy import Exchange, Proxy, on, status
from tests.integration.objects import (
    RELEASES,
    Object,
    claim,
    config_map,
    custom,
    definition,
    deployment,
    obj,
    service,
    through,
    write,
)
from tests.integration.outcomes import actions
from tests.integration.test_diff import changed
from tests.integration.test_rollback import Shop, went_back
from tests.integration.test_rollback import shop as shop  # a fixture

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "manifests"
NOTE = "kubectl.kubernetes.io/last-applied-configuration"
CSA = "kubectl-client-side-apply"


def with_env(one: Object, **variables: Any) -> Object:
    """The workload with variables in its container; a mapping is a ``valueFrom``."""
    made = copy.deepcopy(one)
    env = [
        {"name": name, "valueFrom" if isinstance(value, dict) else "value": value} for name, value in variables.items()
    ]
    made["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return made


def owned(live: Object) -> list[Object]:
    """Who owns which field, controllers aside."""
    return [one for one in live["metadata"]["managedFields"] if not one.get("subresource")]


class Place:
    """A namespace that kubectl and the step fill in turn."""

    def __init__(self, step: Step, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self._step, self._kubectl, self.namespace, self._folder = step, kubectl, namespace, folder

    def kubectl(self, *words: str, **more: Any) -> str:
        return self._kubectl("-n", self.namespace, *words, **more).stdout

    def by_kubectl(self, *made: Object, options: tuple[str, ...] = ()) -> str:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(made)})
        return self.kubectl("apply", *options, "-f", "-", input=text)

    def by_step(self, *made: Object, verb: str = "apply", options: tuple[str, ...] = (), env: Any = None) -> Outcome:
        path = write(self._folder / "release.yaml", *made)
        return self._step(verb, "-f", path, "-n", self.namespace, *options, env=env, report=True)

    def live(self, words: str = "deployment/web") -> Object:
        return dict(json.loads(self.kubectl("get", words, "-o", "json", "--show-managed-fields")))

    def env(self) -> dict[str, Any]:
        (container,) = self.live()["spec"]["template"]["spec"]["containers"]
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}

    def managers(self, words: str = "deployment/web") -> set[tuple[str, str, str]]:
        entries = self.live(words)["metadata"]["managedFields"]
        return {(one["manager"], one["operation"], one.get("subresource", "")) for one in entries}

    def rewritten(self, change: Callable[[list[Object]], list[Object]], words: str = "deployment/web") -> None:
        """``managedFields`` as another kubectl, or an API server without them, would have left them."""
        entries = change(self.live(words)["metadata"]["managedFields"])
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": entries}]
        self.kubectl("patch", words, "--type=json", "-p", json.dumps(patch))


@pytest.fixture
def place(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Place:
    return Place(step, kubectl, namespace, tmp_path)


OLD = with_env(deployment(), KEEP="1", OLD_FLAG="1")
NEW = with_env(deployment(image="shop/web:2"), KEEP="2")


def test_what_kubectl_applied_is_taken_over_and_what_the_manifest_dropped_goes(place: Place, proxy: Proxy) -> None:
    place.by_kubectl(OLD, config_map(a="1", gone="1"), service("web"))
    place.kubectl("label", "deployment/web", "team=night")
    outcome = place.by_step(NEW, config_map(a="2"), service("web"), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert f"taking over the fields of {CSA}, on 3 of 3 objects" in outcome.stderr
    assert place.env() == {"KEEP": "2"}
    assert place.live("cm/settings")["data"] == {"a": "2"}
    assert place.live()["metadata"]["labels"] == {"team": "night"}
    assert CSA not in {manager for manager, *_ in place.managers()}
    moves = [one for one in proxy.writes if "json-patch" in one.headers.get("Content-Type", "")]
    done = [one for one in moves if one.code != 409]  # a controller that writes meanwhile has it sent again
    assert [one.code for one in done] == [200] * 3 and len({one.path for one in done}) == 3, "one patch an object"
    proxy.clear()
    again = place.by_step(NEW, config_map(a="2"), service("web"), env=through(proxy))
    assert (again.code, set(actions(again).values())) == (0, {"unchanged"}), again.text
    assert len([one for one in proxy.requests if one.method == "GET" and not one.watch]) == 3 and not proxy.writes
    assert "taking over" not in again.text


def test_scaling_and_another_image_by_hand_are_the_conflicts_they_are(place: Place) -> None:
    place.by_kubectl(OLD)
    place.kubectl("scale", "deployment/web", "--replicas=3")
    place.kubectl("set", "image", "deployment/web", "app=shop/web:hot")
    before = owned(place.live())
    wanted = with_env(deployment(image="shop/web:2", replicas=2), KEEP="2")
    refused = place.by_step(wanted)
    assert refused.code == 4, refused.text
    assert ".spec.replicas" in refused.stderr and '"kubectl" with subresource "scale"' in refused.stderr
    assert '[name="app"].image' in refused.stderr and '"kubectl-set"' in refused.stderr
    assert CSA not in refused.stderr.partition("conflict")[2]
    assert place.env() == {"KEEP": "1", "OLD_FLAG": "1"}
    assert owned(place.live()) == before, "the fields go back where the apply is refused"
    forced = place.by_step(wanted, options=("--force-conflicts",))
    assert forced.code == 0, forced.text
    assert set(actions(place.by_step(wanted)).values()) == {"unchanged"}
    assert place.env() == {"KEEP": "2"}


def test_the_conflict_names_the_line_of_the_field(place: Place) -> None:
    place.by_kubectl(OLD)
    place.kubectl("scale", "deployment/web", "--replicas=3")
    wanted = with_env(deployment(replicas=2), KEEP="2")
    refused = place.by_step(wanted)
    text = (place._folder / "release.yaml").read_text().splitlines()
    line = next(number for number, each in enumerate(text, 1) if "replicas:" in each)
    assert f"release.yaml:{line}: deployment/" in refused.stderr, refused.text
    assert line > 1


@pytest.mark.parametrize("options", [(), ("--no-preflight",)], ids=["checked", "unchecked"])
def test_a_refused_release_changes_nothing_of_what_it_took_over(place: Place, options: tuple[str, ...]) -> None:
    place.by_kubectl(OLD, config_map(a="1"))
    place.kubectl("scale", "deployment/web", "--replicas=3")
    before = owned(place.live())
    refused = place.by_step(with_env(deployment(replicas=2), KEEP="2"), config_map(a="1"), options=options)
    assert refused.code == 4, refused.text
    assert owned(place.live()) == before
    place.by_kubectl(NEW)
    assert place.env() == {"KEEP": "2"}


GONE = ["-        - name: OLD_FLAG", '-          value: "1"']
CHANGES = [
    pytest.param(
        with_env(deployment(), KEEP="1"), ["-        - name: OLD_FLAG", '-          value: "1"'], id="dropped"
    ),
    pytest.param(
        with_env(deployment(), KEEP={"fieldRef": {"fieldPath": "metadata.name"}}, OLD_FLAG="1"),
        None,
        id="a value that became a valueFrom",
    ),
    pytest.param(with_env(deployment(image="shop/web:2"), KEEP="1", OLD_FLAG="1", NEW="1"), None, id="changed"),
    pytest.param(OLD, [], id="unchanged"),
]


@pytest.mark.parametrize(("wanted", "lines"), CHANGES)
def test_a_dry_run_and_diff_show_it_and_change_nothing(place: Place, wanted: Object, lines: list[str] | None) -> None:
    place.by_kubectl(OLD)
    before = place.live()
    shown = place.by_step(wanted, verb="diff")
    assert shown.code == 0, shown.text
    assert f"the fields of {CSA} would be taken over, on 1 of 1 objects" in shown.stderr
    tried = place.by_step(wanted, options=("--dry-run",))
    assert (tried.code, actions(tried)) == (0, {"Deployment/web": "configured"}), tried.text
    assert place.live()["spec"] == before["spec"]
    assert owned(place.live()) == owned(before)
    if lines is not None:
        assert changed(shown) == lines, shown.text
    assert place.by_step(wanted).code == 0
    after, spec = place.live(), before["spec"]
    merged = _merged_lines(shown)
    assert all(text.strip() in _dumped(after) for text in merged), "what was shown is what came"
    assert (after["spec"] == spec) == (wanted == OLD)


def _merged_lines(shown: Outcome) -> list[str]:
    return [line[1:] for line in changed(shown) if line.startswith("+")]


def _dumped(live: Object) -> str:
    return str(yaml.safe_dump(live)).replace("'", '"')


def test_ports_may_change_their_keys(place: Place) -> None:
    """The server merges by number, and would have two ports of one name before the old one goes."""

    def ports(number: int) -> Object:
        return obj(
            "v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"name": "http", "port": number}]}
        )

    place.by_kubectl(ports(80), config_map(a="1"))
    shown = place.by_step(ports(8080), verb="diff")
    assert shown.code == 0 and "+    port: 8080" in shown.stdout and "-    port: 80" in shown.stdout, shown.text
    outcome = place.by_step(ports(8080), config_map(a="2"))
    assert outcome.code == 0, outcome.text
    assert [one["port"] for one in place.live("service/web")["spec"]["ports"]] == [8080]


def test_a_service_may_lose_its_node_ports(place: Place) -> None:
    """A dry run that still has the type would draw others for new ports, which the type without them refuses."""

    def made(*ports: int, **spec: Any) -> Object:
        named = [{"name": f"p{port}", "port": port} for port in ports]
        return obj("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": named, **spec})

    place.by_kubectl(made(80, 81, type="NodePort"))
    wanted = made(81, 82)
    tried = place.by_step(wanted, options=("--dry-run",))
    assert tried.code == 0, tried.text
    outcome = place.by_step(wanted)
    assert outcome.code == 0, outcome.text
    assert place.live("service/web")["spec"]["type"] == "ClusterIP"


# -- and back


def test_who_goes_back_to_kubectl_loses_nothing_and_keeps_nothing(place: Place) -> None:
    place.by_kubectl(OLD)
    assert place.by_step(NEW).code == 0
    assert place.by_kubectl(NEW).strip() == "deployment.apps/web unchanged"
    place.by_kubectl(with_env(deployment(image="shop/web:2"), LATER="3"))
    assert place.env() == {"LATER": "3"}
    again = place.by_step(with_env(deployment(image="shop/web:2"), LAST="4"))
    assert again.code == 0 and CSA in again.stderr, again.text
    assert place.env() == {"LAST": "4"}


def test_no_note_is_made_where_there_was_none(place: Place) -> None:
    assert place.by_step(OLD).code == 0
    assert NOTE not in place.live()["metadata"].get("annotations", {})


def test_a_manifest_too_long_for_the_note_is_released_without_it(place: Place) -> None:
    place.by_kubectl(config_map(a="1"))
    large = config_map(a="x" * 300_000)
    outcome = place.by_step(large)
    assert outcome.code == 0, outcome.text
    assert NOTE not in place.live("cm/settings")["metadata"].get("annotations", {})
    assert set(actions(place.by_step(large)).values()) == {"unchanged"}


def test_a_rollback_gives_back_what_was_taken_over(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", input=json.dumps(OLD))
    shop.kubectl("label", "deployment/web", "team=night")
    shop.kubectl("rollout", "status", "deployment/web")
    before = shop.state("deployments")
    went_back(shop.release(with_env(deployment(image="shop/crash:2"), KEEP="2")))
    assert shop.state("deployments") == before


# -- other kubectls, and others


def renamed(manager: str) -> Callable[[list[Object]], list[Object]]:
    return lambda entries: [{**one, "manager": manager} if one["manager"] == CSA else one for one in entries]


@pytest.mark.parametrize("manager", ["kubectl", "kubectl-create", "before-first-apply", "argocd-controller"])
def test_an_older_kubectl_wrote_under_another_name(place: Place, manager: str) -> None:
    place.by_kubectl(OLD)
    place.rewritten(renamed(manager))
    outcome = place.by_step(NEW)
    assert outcome.code == 0 and manager in outcome.stderr, outcome.text
    assert place.env() == {"KEEP": "2"}
    assert manager not in {name for name, *_ in place.managers()}


@pytest.mark.parametrize("manager", ["kubectl", "kubectl-create", "before-first-apply"])
def test_an_older_kubectl_had_left_the_rest_to_a_newer_one(place: Place, manager: str) -> None:
    """The newer one has written the annotation and the image; all else is still under the older one's name."""
    place.by_kubectl(OLD)
    place.rewritten(renamed(manager))
    place.by_kubectl(with_env(deployment(image="shop/web:1.1"), KEEP="1", OLD_FLAG="1"))
    assert {CSA, manager} <= {name for name, *_ in place.managers()}
    outcome = place.by_step(NEW)
    assert outcome.code == 0, outcome.text
    assert place.env() == {"KEEP": "2"}


def test_an_object_from_before_there_were_managed_fields(place: Place) -> None:
    place.by_kubectl(OLD)
    place.rewritten(lambda _: [{}])
    assert not place.live()["metadata"].get("managedFields")
    shown = place.by_step(NEW, verb="diff")
    assert shown.code == 0 and "-        - name: OLD_FLAG" in shown.stdout, shown.text
    outcome = place.by_step(NEW)
    assert outcome.code == 0, outcome.text
    assert place.env() == {"KEEP": "2"}
    assert set(actions(place.by_step(NEW)).values()) == {"unchanged"}


def test_kubectl_is_left_what_it_set_with_no_adopt(place: Place) -> None:
    place.by_kubectl(OLD)
    refused = place.by_step(NEW, options=("--no-adopt",))
    assert refused.code == 4 and CSA in refused.stderr, refused.text
    assert "taking over" not in refused.stderr


@pytest.mark.parametrize("env", [None, {"K8S_ADOPT": "night-shift\nhelm"}], ids=["flag", "variable"])
def test_others_are_taken_over_by_name(place: Place, env: Any) -> None:
    """A release of Helm 3 (an Update without an annotation), and a manager that applied (server-side)."""
    place.by_kubectl(OLD, options=("--server-side", "--field-manager=night-shift"))
    place.kubectl("create", "--field-manager=helm", "-f", "-", input=json.dumps(config_map(a="1", gone="1")))
    refused = place.by_step(NEW, config_map(a="2"))
    assert refused.code == 4 and '"helm"' in refused.stderr and '"night-shift"' in refused.stderr, refused.text
    assert "--adopt helm" in refused.stderr
    options = () if env else ("--adopt", "helm", "--adopt", "night-shift")
    outcome = place.by_step(NEW, config_map(a="2"), options=options, env=env)
    assert outcome.code == 0, outcome.text
    assert place.env() == {"KEEP": "2"} and place.live("cm/settings")["data"] == {"a": "2"}
    assert not {"helm", "night-shift"} & {name for name, *_ in place.managers() | place.managers("cm/settings")}
    assert set(actions(place.by_step(NEW, config_map(a="2"))).values()) == {"unchanged"}


def test_a_patch_that_is_applied_takes_nothing_over(place: Place, step: Step) -> None:
    place.by_kubectl(OLD)
    part = json.dumps({"metadata": {"labels": {"team": "day"}}})
    patched = step("patch", "deployment/web", "--type", "apply", "-p", part, "-n", place.namespace)
    assert patched.code == 0, patched.text
    assert place.env() == {"KEEP": "1", "OLD_FLAG": "1"}


def test_others_who_write_meanwhile_are_waited_out(place: Place, proxy: Proxy) -> None:
    """The object has another version when its fields are to be moved: it is read again, and moved then."""
    place.by_kubectl(OLD)
    conflict = status(409, "Conflict", "the object has been modified")
    moves = on("PATCH", "/deployments/web$")
    proxy.rule(lambda one: moves(one) and "json-patch" in one.headers.get("Content-Type", ""), conflict)
    outcome = place.by_step(NEW, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert place.env() == {"KEEP": "2"}


@pytest.mark.parametrize("words", [("annotate", "by=night"), ("apply", "")], ids=["another", "kubectl apply again"])
def test_what_is_written_while_the_apply_is_refused_stays(words: tuple[str, str], place: Place, proxy: Proxy) -> None:
    """The fields go back to their owners as the object is then; what their owner has written anew stays as it is."""
    place.by_kubectl(OLD)
    place.kubectl("set", "image", "deployment/web", "app=shop/web:hot")
    before = owned(place.live())

    def meanwhile(exchange: Exchange) -> None:
        answer = exchange.ask()
        said = answer.read()
        if words[0] == "annotate":
            place.kubectl("annotate", "deployment/web", words[1])
        else:
            place.by_kubectl(with_env(deployment(image="shop/web:3"), KEEP="3"))
        exchange.answer(answer.status, said, {"Content-Type": "application/json"})

    applies = on("PATCH", "/deployments/web$")
    proxy.rule(lambda one: applies(one) and "apply-patch" in one.headers.get("Content-Type", ""), meanwhile)
    refused = place.by_step(NEW, env=through(proxy))
    assert refused.code == 4, refused.text
    after = owned(place.live())
    if words[0] == "annotate":
        assert [one for one in after if one["manager"] != "kubectl-annotate"] == before
        assert place.live()["metadata"]["annotations"]["by"] == "night"
    else:
        assert {one["manager"] for one in after} >= {CSA, "k8s-step"} and place.env()["KEEP"] == "3"


def test_a_service_and_a_bound_claim_keep_what_the_server_gave_them(place: Place) -> None:
    """Of objects without ``managedFields`` the first apply owns all there is, addresses and volumes too."""
    release = [service("web"), claim("data", "immediate"), deployment()]
    place.by_kubectl(*release)
    place.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data")
    for words in ("service/web", "pvc/data"):
        place.rewritten(lambda _: [{}], words)
    address, volume = place.live("service/web")["spec"]["clusterIP"], place.live("pvc/data")["spec"]["volumeName"]
    outcome = place.by_step(*release)
    assert outcome.code == 0, outcome.text
    assert place.live("service/web")["spec"]["clusterIP"] == address
    assert place.live("pvc/data")["spec"]["volumeName"] == volume
    assert set(actions(place.by_step(*release)).values()) == {"unchanged"}


def test_from_kubectls_server_side_apply_by_name(place: Place) -> None:
    place.by_kubectl(OLD)
    place.by_kubectl(OLD, options=("--server-side",))
    assert ("kubectl-last-applied", "Apply", "") in place.managers()
    outcome = place.by_step(NEW, options=("--adopt", "kubectl"))
    assert outcome.code == 0, outcome.text
    assert place.env() == {"KEEP": "2"}
    assert place.by_kubectl(NEW).strip() == "deployment.apps/web unchanged"


def test_custom_resources_too(place: Place) -> None:
    """Their lists are merged by keys that only the server knows; a rule refuses the old value beside the new one."""
    group = f"{place.namespace}.example.com"
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {name: {"type": "string"} for name in ("name", "value", "from")},
        "x-kubernetes-validations": [{"rule": "!(has(self.value) && has(self.from))"}],
    }
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item}
    spec = {"type": "object", "properties": {"parts": listed, "plain": {"type": "array", "items": {"type": "string"}}}}
    made = definition(group, "Gadget")
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {"type": "object", "properties": {"spec": spec}}
    place.kubectl("apply", "-f", "-", input=json.dumps(made))
    place.kubectl("wait", "--for=condition=Established", f"crd/{made['metadata']['name']}")

    def gadget(*parts: Object, plain: list[str]) -> Object:
        return custom(group, "g", "Gadget", spec={"parts": list(parts), "plain": plain})

    place.by_kubectl(gadget({"name": "a", "value": "1"}, {"name": "gone", "value": "1"}, plain=["one", "two"]))
    wanted = gadget({"name": "a", "from": "env"}, {"name": "new"}, plain=["two"])
    shown = place.by_step(wanted, verb="diff")
    assert shown.code == 0 and '-    value: "1"' in shown.stdout.replace("'", '"'), shown.text
    outcome = place.by_step(wanted)
    assert outcome.code == 0, outcome.text
    words = f"{made['spec']['names']['plural']}.{group}/g"
    assert place.live(words)["spec"] == wanted["spec"]
    place.kubectl("delete", f"crd/{made['metadata']['name']}", "--wait=false")


# -- public sets


def _namespaced(path: Path) -> list[Object]:
    found = [one for one in yaml.safe_load_all(path.read_text()) if one]
    kept = [one for one in found if not one["kind"].startswith(("Cluster", "Namespace", "Validating", "IngressClass"))]
    for one in kept:
        one["metadata"].pop("namespace", None)
        for subject in one.get("subjects") or []:
            subject.pop("namespace", None)
    return [one for one in kept if one["kind"] not in ("Job", "RoleBinding")]


def _changed(one: Object) -> Object:
    """Another image; a variable and a probe fewer, and one that becomes a reference."""
    made = copy.deepcopy(one)
    for container in (made.get("spec") or {}).get("template", {}).get("spec", {}).get("containers", []):
        container["image"] = f"{container['image'].partition('@')[0].rpartition(':')[0]}:changed"
        container.pop("livenessProbe", None)
        for variable in container.get("env", [])[:1]:
            if "value" in variable:
                del variable["value"]
                variable["valueFrom"] = {"fieldRef": {"fieldPath": "metadata.name"}}
    return made


SETS = [*RELEASES, pytest.param(_SHARED / "ingress-nginx-kind.yaml", id="ingress-nginx")]


@pytest.mark.parametrize("path", SETS)
@pytest.mark.parametrize("manager", ["kubectl", "helm"])
def test_a_public_set_moves_over(place: Place, path: Path, manager: str) -> None:
    if not path.exists():
        pytest.skip("the manifests that several projects share are not beside this checkout")
    release = _namespaced(path)
    options: tuple[str, ...] = ("--no-wait", "--no-template")
    if manager == "kubectl":
        place.by_kubectl(*release)
    else:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": release})
        place.kubectl("create", "--field-manager=helm", "-f", "-", input=text)
        options = (*options, "--adopt", "helm")
    changed_set = [_changed(one) for one in release]
    shown = place.by_step(*changed_set, verb="diff", options=options[1:])
    assert shown.code == 0, shown.text
    first = place.by_step(*changed_set, options=options)
    assert first.code == 0, first.text
    assert f"taking over the fields of {'helm' if manager == 'helm' else CSA}" in first.stderr
    live = [place.live(f"{one['kind']}/{one['metadata']['name']}") for one in changed_set]
    probes = [one for obj in live for one in _containers(obj) if "livenessProbe" in one]
    assert not probes
    assert {one["image"].rpartition(":")[2] for obj in live for one in _containers(obj)} == {"changed"}
    again = place.by_step(*changed_set, options=options)
    assert (again.code, set(actions(again).values())) == (0, {"unchanged"}), again.text
    back = place.by_step(*release, options=options)
    assert back.code == 0, back.text


def _containers(one: Object) -> list[Object]:
    return list((one.get("spec") or {}).get("template", {}).get("spec", {}).get("containers", []))


def test_a_namespace_that_kubectl_has_kept_until_now(place: Place) -> None:
    """An old annotation; scaled and given another image by hand, with which the manifest has caught up."""
    first = with_env(deployment(image="shop/web:1"), KEEP="1", OLD_FLAG="1")
    place.by_kubectl(first, config_map(a="1", gone="1"), service("web"))
    place.kubectl("scale", "deployment/web", "--replicas=3")
    place.kubectl("set", "image", "deployment/web", "app=shop/web:2")
    release = (with_env(deployment(image="shop/web:2", replicas=None), KEEP="2"), config_map(a="2"), service("web"))
    outcome = place.by_step(*release)
    assert outcome.code == 0, outcome.text
    assert (place.env(), place.live()["spec"]["replicas"]) == ({"KEEP": "2"}, 3)
    assert place.live("cm/settings")["data"] == {"a": "2"}
    assert set(actions(place.by_step(*release)).values()) == {"unchanged"}
    refused = place.by_step(with_env(deployment(image="shop/web:2", replicas=2), KEEP="2"))
    assert refused.code == 4 and '"kubectl" with subresource "scale"' in refused.stderr, refused.text
