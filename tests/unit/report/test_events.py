"""Events as lines: JSON with its Secrets masked, names, rows that change."""

from __future__ import annotations

import json
from typing import Any

from k8s_step.objects.resource import required
from k8s_step.redaction import Redactor
from k8s_step.report.events import Rows, Told, json_line, name_line

PODS, DEPLOYMENTS = required("v1", "Pod"), required("apps/v1", "Deployment")
COLUMNS = ({"name": "Name", "format": "name"}, {"name": "Status"}, {"name": "Node", "priority": 1})


def told(name: str, *cells: str, resource: Any = PODS, columns: Any = COLUMNS) -> Told:
    metadata = {"name": name, "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return Told("MODIFIED", resource, {"kind": resource.kind, "metadata": metadata}, (name, *cells), columns)


def rows(*, wide: bool = False, namespaces: bool = False, kinds: bool = False) -> Rows:
    return Rows(Redactor(), wide=wide, namespaces=namespaces, kinds=kinds)


def test_json_has_the_type_first_and_no_field_managers() -> None:
    obj = {"kind": "Pod", "metadata": {"name": "web", "managedFields": [{"manager": "kubelet"}]}}
    line = json_line(Told("ADDED", PODS, obj), Redactor())
    assert line == '{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"web"}}}'


def test_the_values_of_a_secret_are_masked() -> None:
    obj = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"password": "aHVudGVyMg=="}}
    line = json_line(Told("ADDED", required("v1", "Secret"), obj), Redactor())
    assert json.loads(line)["object"]["data"] == {"password": "***"}


def test_names_are_those_of_kubectl() -> None:
    assert name_line(told("web", resource=DEPLOYMENTS)) == "deployment.apps/web"


def test_the_header_comes_once_and_columns_only_grow() -> None:
    table = rows()
    told_rows = [told("web", "Pending"), told("a-longer-one", "Running"), told("web", "Running")]
    assert [line for one in told_rows for line in table.lines(one)] == [
        "NAME   STATUS",
        "web    Pending",
        "a-longer-one   Running",
        "web            Running",
    ]


def test_each_kind_has_its_own_header_once() -> None:
    table = rows(wide=True, namespaces=True, kinds=True)
    table.lines(told("web", "Running", "node-1"))
    assert table.lines(told("web", "1/1", "x", resource=DEPLOYMENTS))[0].split() == [
        "NAMESPACE",
        "NAME",
        "STATUS",
        "NODE",
    ]
    assert [line.split() for line in table.lines(told("web", "Running", "node-2"))] == [
        ["shop", "pod/web", "Running", "node-2"]
    ]


def test_without_a_table_of_the_server_there_is_name_and_age() -> None:
    lines = rows().lines(Told("ADDED", PODS, told("web").object, None, ()))
    assert [line.split() for line in lines] == [["NAME", "CREATED", "AT"], ["web", "2026-01-01T00:00:00Z"]]
