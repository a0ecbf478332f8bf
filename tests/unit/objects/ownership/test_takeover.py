"""Which fields move from kubectl's client-side apply, and from managers by name, to ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8s_step.objects.ownership.fieldset import Owner, child, sets
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED
from k8s_step.objects.ownership.takeover import Takeover, moved_back, takeover

APP = 'k:{"name":"app"}'
KEEP, OLD = 'k:{"name":"KEEP"}', 'k:{"name":"OLD"}'
NOTED = {"f:metadata": {"f:annotations": {".": {}, f"f:{LAST_APPLIED}": {}}}}
Entry = dict[str, Any]


def container(**fields: Any) -> Any:
    return {"f:spec": {"f:containers": {APP: fields}}}


def entry(
    manager: str, fields: Any, operation: str = "Update", subresource: str = "", version: str = "apps/v1"
) -> Entry:
    made = {"manager": manager, "operation": operation, "apiVersion": version, "fieldsV1": fields, "time": "…"}
    return {**made, **({"subresource": subresource} if subresource else {})}


def live(*entries: Entry, told: Any = None, **fields: Any) -> dict[str, Any]:
    note = json.dumps(told if told is not None else {"spec": {"replicas": 1}})
    metadata = {"resourceVersion": "7", "annotations": {LAST_APPLIED: note}, "managedFields": list(entries)}
    return {"metadata": metadata, "spec": {"replicas": 1, **fields}}


def taken(obj: dict[str, Any], *adopt: str, from_kubectl: bool = True) -> Takeover:
    found = takeover(obj, "k8s-step", "apps/v1", adopt, from_kubectl=from_kubectl)
    assert found is not None
    return found


def after(obj: dict[str, Any], *adopt: str) -> dict[Owner, Any]:
    found = taken(obj, *adopt)
    return sets({"metadata": {"managedFields": list(found.entries)}})


REPLICAS = {"f:spec": {"f:replicas": {}}}
CSA = {**NOTED, **REPLICAS}
OURS = Owner("k8s-step", "Apply")


def test_all_moves_of_who_wrote_the_annotation_and_nothing_else() -> None:
    scale = entry("kubectl", {"f:spec": {"f:paused": {}}}, subresource="scale")
    label = entry("kubectl-label", {"f:metadata": {"f:labels": {"f:team": {}}}})
    obj = live(entry("any-name", CSA), scale, label)
    assert after(obj) == {OURS: CSA, Owner("kubectl", "Update", "scale", "apps/v1"): scale["fieldsV1"]} | {
        Owner("kubectl-label", "Update", "", "apps/v1"): label["fieldsV1"]
    }
    assert taken(obj).managers == ("any-name",)


def test_it_joins_what_is_ours_already() -> None:
    ours = entry("k8s-step", {"f:spec": {"f:paused": {}}}, "Apply")
    found = after(live(entry("kubectl-client-side-apply", CSA), ours))
    assert found == {OURS: {**NOTED, "f:spec": {"f:paused": {}, "f:replicas": {}}}}


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry("k8s-step", CSA, "Apply")], id="ours"),
        pytest.param([entry("kubectl", CSA, "Apply")], id="applied server-side"),
        pytest.param([entry("kubectl-client-side-apply", REPLICAS)], id="no annotation"),
        pytest.param([entry("kubectl", CSA, subresource="status")], id="a subresource"),
        pytest.param([], id="none"),
    ],
)
def test_nothing_moves_that_kubectls_apply_does_not_own(entries: list[Entry]) -> None:
    assert takeover(live(*entries), "k8s-step", "apps/v1", (), from_kubectl=True) is None


def test_nothing_moves_unasked() -> None:
    assert takeover(live(entry("kubectl", CSA)), "k8s-step", "apps/v1", (), from_kubectl=False) is None


def test_managers_by_name_whether_they_applied_or_updated() -> None:
    obj = live(entry("helm", REPLICAS), entry("helm", {"f:spec": {"f:paused": {}}}, "Apply"), entry("night", REPLICAS))
    found = takeover(obj, "k8s-step", "apps/v1", ("helm",), from_kubectl=False)
    assert found is not None and found.fields == {"f:spec": {"f:replicas": {}, "f:paused": {}}}
    assert {owner.manager for owner in sets({"metadata": {"managedFields": found.entries}})} == {"k8s-step", "night"}


def test_an_older_name_gives_what_the_annotation_says_and_still_is() -> None:
    """``kubectl`` has scaled, too: what differs from the annotation stays with it."""
    older = {"f:spec": {"f:replicas": {}, "f:paused": {}, "f:minReadySeconds": {}}}
    obj = live(
        entry("kubectl-client-side-apply", NOTED),
        entry("kubectl", older),
        told={"spec": {"replicas": 1, "minReadySeconds": 5}},
        paused=True,
        minReadySeconds=9,
    )
    found = after(obj)
    assert found[OURS] == {**NOTED, "f:spec": {"f:replicas": {}}}
    assert found[Owner("kubectl", "Update", "", "apps/v1")] == {"f:spec": {"f:paused": {}, "f:minReadySeconds": {}}}


def test_what_nobody_knows_the_setter_of_becomes_nobodys() -> None:
    """``before-first-apply`` owns all there was, a claim's volume too, which no apply may take away."""
    all_there_was = {**NOTED, "f:spec": {"f:replicas": {}, "f:volumeName": {}}}
    found = taken(live(entry("before-first-apply", all_there_was), volumeName="pv-1"))
    assert found.fields == CSA and not found.others
    assert len(found.entries) == 1


def test_fields_of_another_version_count_where_the_object_has_them() -> None:
    other = entry(
        "kubectl-client-side-apply", {"f:spec": {"f:replicas": {}, "f:rollbackTo": {}}}, version="apps/v1beta1"
    )
    found = after(live(entry("kubectl-client-side-apply", NOTED), other))
    assert found == {OURS: CSA}


def test_the_annotation_that_cannot_be_read_tells_nothing() -> None:
    obj = live(entry("kubectl-client-side-apply", NOTED), entry("kubectl", REPLICAS))
    obj["metadata"]["annotations"][LAST_APPLIED] = "no json"
    assert after(obj)[OURS] == NOTED


def test_who_kept_kubectls_annotation_for_its_server_side_apply_goes_with_it() -> None:
    obj = live(entry("kubectl", REPLICAS, "Apply"), entry("kubectl-last-applied", NOTED, "Apply"))
    assert after(obj, "kubectl") == {OURS: CSA}


# -- conflicts


def conflict(manager: str, field: str) -> dict[str, str]:
    return {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}


MINE = conflict('"kubectl-client-side-apply" using apps/v1 at 2026-11-26T10:00:00Z', ".spec.replicas")


@pytest.mark.parametrize(
    ("cause", "is_left"),
    [
        (MINE, False),
        (conflict('"kubectl-client-side-apply" using apps/v1', ".spec.paused"), True),  # not what has moved
        (conflict('"kubectl-client-side-apply" with subresource "scale" using apps/v1', ".spec.replicas"), True),
        (conflict('"kubectl-client-side-apply"', ".spec.replicas"), True),  # an apply's
        (conflict('"helm" using apps/v1', ".spec.replicas"), True),
        (conflict('"k8s-step" using apps/v1', ".spec.replicas"), False),
    ],
)
def test_only_conflicts_with_others_are_left(cause: dict[str, str], is_left: bool) -> None:
    found = taken(live(entry("kubectl-client-side-apply", CSA)))
    assert found.conflicts([MINE, cause], "k8s-step") == ([cause] if is_left else [])


def test_what_is_nobodys_then_is_no_conflict() -> None:
    found = taken(live(entry("before-first-apply", {**CSA, "f:spec": {"f:replicas": {}, "f:paused": {}}})))
    assert not found.conflicts([conflict('"before-first-apply" using apps/v1', ".spec.paused")], "k8s-step")


# -- what goes


def variables(*names: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "app", "env": [{"name": name, "value": "1"} for name in names]}]}}


def owning(*keys: str) -> Any:
    return container(
        **{".": {}, "f:name": {}, "f:env": {".": {}, **{k: {".": {}, "f:name": {}, "f:value": {}} for k in keys}}}
    )


def test_what_the_manifest_drops_goes_unless_somebody_else_owns_it_too() -> None:
    csa = entry("kubectl-client-side-apply", {**NOTED, **owning(KEEP, OLD)})
    obj = {**live(csa), **variables("KEEP", "OLD", "THEIRS")}
    left = taken(obj).left(obj, variables("KEEP"))
    assert left["spec"] == variables("KEEP", "THEIRS")["spec"]
    shared = entry("kubectl-set", container(**{"f:env": {OLD: {".": {}, "f:name": {}, "f:value": {}}}}))
    obj["metadata"]["managedFields"].append(shared)
    left = taken(obj).left(obj, variables("KEEP"))
    assert left["spec"] == obj["spec"]


def test_an_item_goes_whole_unless_it_is_somebody_elses_too() -> None:
    """As a container of which ``kubectl set env`` owns a variable alone; an emptied map goes with its last field."""
    csa = entry("kubectl-client-side-apply", {**NOTED, **owning(KEEP)})
    theirs = entry("kubectl-set", container(**{"f:env": {OLD: {".": {}, "f:name": {}, "f:value": {}}}}))
    obj = {**live(csa, theirs), **variables("KEEP", "OLD")}
    assert "spec" not in taken(obj).left(obj, {"spec": {"containers": []}})


def test_a_list_is_merged_by_the_keys_that_the_fields_tell() -> None:
    csa = entry("kubectl-client-side-apply", {**NOTED, **owning(KEEP, OLD)})
    obj = {**live(csa), **variables("KEEP", "OLD", "THEIRS")}
    wanted = variables("NEW", "KEEP")
    assert taken(obj).applied(obj, wanted)["spec"] == variables("NEW", "KEEP", "THEIRS")["spec"]


def test_a_map_that_is_owned_as_a_whole_is_replaced_as_a_whole() -> None:
    csa = entry("kubectl-client-side-apply", {**NOTED, "f:spec": {"f:selector": {}}})
    obj = live(csa, selector={"app": "web", "tier": "front"})
    assert taken(obj).applied(obj, {"spec": {"selector": {"app": "web"}}})["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize(
    ("item", "key", "is_found"),
    [
        ({"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}, True),
        ({"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, False),
        ({"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "UDP"}, True),
        ({"containerPort": 81}, {"containerPort": 80, "protocol": "TCP"}, False),
    ],
)
def test_a_manifest_may_leave_out_the_protocol_of_a_port(item: Any, key: Any, is_found: bool) -> None:
    assert (child([item], f"k:{json.dumps(key)}") == item) == is_found


def test_the_patch_is_bound_to_the_version_that_was_read() -> None:
    obj = live(entry("kubectl-client-side-apply", CSA))
    fields, version = taken(obj).patch(obj)
    assert fields["path"] == "/metadata/managedFields" and [one["manager"] for one in fields["value"]] == ["k8s-step"]
    assert version == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}


_BEFORE = [entry("kubectl", {"f:a": {}}), entry("other", {"f:b": {}})]
_AFTER = [entry("k8s-step", {"f:a": {}}, "Apply"), entry("other", {"f:b": {}})]


@pytest.mark.parametrize(
    ("now", "back"),
    [
        (_AFTER, [entry("other", {"f:b": {}}), entry("kubectl", {"f:a": {}})]),
        ([_AFTER[0], entry("other", {"f:c": {}})], [entry("other", {"f:c": {}}), entry("kubectl", {"f:a": {}})]),
        (
            [*_AFTER, entry("new", {"f:c": {}})],
            [entry("other", {"f:b": {}}), entry("new", {"f:c": {}}), entry("kubectl", {"f:a": {}})],
        ),
        ([entry("k8s-step", {"f:z": {}}, "Apply"), entry("other", {"f:b": {}})], None),
        ([entry("other", {"f:b": {}})], None),
        ([*_AFTER, entry("kubectl", {"f:z": {}})], None),
    ],
    ids=["as moved", "another has changed it", "another has come", "ours has changed", "ours is gone", "theirs anew"],
)
def test_a_move_is_undone_in_the_object_as_it_is_now(now: list[Any], back: list[Any] | None) -> None:
    assert moved_back(_BEFORE, _AFTER, now) == back
