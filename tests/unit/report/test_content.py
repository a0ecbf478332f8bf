from __future__ import annotations

import json
from typing import Any

from k8s_step.objects.resource import Resource
from k8s_step.report.content import Content, Metrics, Recorder, Table
from k8s_step.report.layout.table import Shape
from k8s_step.report.printers.documents import BROKEN, JSON, Documents
from k8s_step.report.printers.printer import Printer, Write
from k8s_step.report.printers.tables import Tables
from k8s_step.report.results.metrics import Family

PODS = Resource("", "v1", "Pod", "pods", True)
COLUMNS = ({"name": "Name", "format": "name"}, {"name": "Ready"})


def whole(item: Any) -> Any:
    return item


def recorded(cluster: str, *names: str, namespaces: bool = False, columns: Any = COLUMNS) -> Content:
    """What one cluster's table delivers."""

    def make(write: Write) -> Printer:
        return Tables(write, whole, Shape(namespaces=namespaces), names_kinds=False, cluster=cluster)

    delivered: list[Content] = []
    recorder = Recorder(make, delivered.append)
    for name in names:
        row = {"cells": [name, "1/1"], "object": {"metadata": {"namespace": "shop"}}}
        recorder.add(PODS, columns, [recorder.show(PODS, row)])
    recorder.end()
    return delivered[0]


def words(content: Content) -> list[list[str]]:
    return [line.split() for line in content.text.splitlines()]


def test_tables_of_several_clusters_are_one() -> None:
    merged = recorded("eu", "a").with_more([recorded("us", "b", "c"), recorded("asia")])
    assert words(merged) == [["CLUSTER", "NAME", "READY"], ["eu", "a", "1/1"], ["us", "b", "1/1"], ["us", "c", "1/1"]]


def test_the_cluster_stands_before_the_namespace() -> None:
    merged = recorded("eu", "a", namespaces=True).with_more([])
    assert words(merged) == [["CLUSTER", "NAMESPACE", "NAME", "READY"], ["eu", "shop", "a", "1/1"]]


def test_tables_with_other_columns_stay_apart() -> None:
    merged = recorded("eu", "a").with_more([recorded("us", "b", columns=({"name": "Name"}, {"name": "Age"}))])
    assert [line[:1] for line in words(merged)] == [["CLUSTER"], ["eu"], [], ["CLUSTER"], ["us"]]


def documents(*items: Any, is_broken: bool = False) -> Content:
    delivered: list[Content] = []
    recorder = Recorder(lambda write: Documents(write, whole, JSON, is_one=False), delivered.append)
    recorder.add(PODS, (), [recorder.show(PODS, item) for item in items])
    if is_broken:
        assert not recorder.break_off()
    else:
        recorder.end()
    return delivered[0]


def test_objects_of_several_clusters_are_one_list() -> None:
    eu, us = ({"cluster": name, "kind": "Pod"} for name in ("eu", "us"))
    merged = documents(eu).with_more([documents(us), documents()])
    assert json.loads(merged.text)["items"] == [eu, us]


def test_a_list_that_broke_off_in_one_cluster_does_not_look_whole() -> None:
    merged = documents({"kind": "Pod"}).with_more([documents({"kind": "Pod"}, is_broken=True)])
    assert merged.text.endswith(BROKEN)


def test_a_table_of_the_step_s_own() -> None:
    assert words(Table(("component", "ready"), (("web", 2),))) == [["COMPONENT", "READY"], ["web", "2"]]
    merged = Table(("component",), (("web",),), "eu").with_more([Table(("component",), (("api",),), "us")])
    assert words(merged) == [["CLUSTER", "COMPONENT"], ["eu", "web"], ["us", "api"]]


def test_a_family_of_metrics_is_there_once() -> None:
    family = Family("up", "gauge", "Whether.", (({"pod": "a"}, 1),))
    merged = Metrics((family,), "eu").with_more([Metrics((family,), "us")])
    assert merged.text.splitlines() == [
        "# HELP up Whether.",
        "# TYPE up gauge",
        'up{cluster="eu",pod="a"} 1',
        'up{cluster="us",pod="a"} 1',
    ]
