"""What is spoilt: manifests, kubeconfigs, templates and patches as people write them, each with a secret in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.fuzz.harness import SECRET

ROOT = Path(__file__).resolve().parents[2]
_CODED = base64.b64encode(SECRET.encode()).decode()

RELEASE = f"""\
apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  password: {SECRET}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, labels: {{app: web}}}}
data:
  tone: "low"
  script: |
    #!/bin/sh
    echo ${{A:-b}} $HOME
  number: '10'
---
# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    k8s-step/timeout: 2s
    k8s-step/fail-after: CrashLoopBackOff=5
spec:
  replicas: ${{REPLICAS}}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
        - name: app
          image: shop/web:${{TAG:-1}}
          command: [sh, -c, 'exec run --port "$PORT"']
          env: [{{name: PORT, value: "80"}}]
          ports: [{{containerPort: 80}}]
          resources: {{limits: {{cpu: 500m, memory: 64Mi}}}}
"""

OBJECTS: tuple[dict[str, Any], ...] = (
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"password": _CODED}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"tone": "low"}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"k8s-step/timeout": "2s", "k8s-step/fail-after": "OOMKilled=3"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": "shop/web:1",
                            "command": ["sh", "-c", "run"],
                            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
                            "ports": [{"containerPort": 80, "name": "http"}],
                        }
                    ],
                    "volumes": [{"name": "v", "configMap": {"name": "settings"}}],
                },
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "l"}}],
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    },
    {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}},
    {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
        },
    },
)

KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "ci",
    "clusters": [
        {"name": "shop", "cluster": {"server": "http://SERVER", "insecure-skip-tls-verify": True}},
        {"name": "other", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": _CODED}},
    ],
    "users": [
        {"name": "ci", "user": {"token": SECRET}},
        {"name": "plug", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere/x"}}},
        {"name": "cert", "user": {"client-certificate-data": _CODED, "client-key-data": _CODED}},
        {"name": "basic", "user": {"username": "me", "password": SECRET}},
    ],
    "contexts": [
        {"name": "ci", "context": {"cluster": "shop", "user": "ci", "namespace": "shop"}},
        {"name": "plug", "context": {"cluster": "shop", "user": "plug"}},
        {"name": "cert", "context": {"cluster": "other", "user": "cert"}},
    ],
}

EXPRESSIONS = (
    "${A}", "${A:-b}", "${A:?c}", "${B:-${A}}", "$${A}", "$A", "$(A)", "${", "${}", "${A", "${A:}", "${A:-",
    "${A:+b}", "${A b}",
    "${A:-\"b\"}", "${é}", "${A.b}", "${A[0]}", "${1}", "${A}${B}", "a${A}b", "${REPLICAS}", "${NULL}", "${EMPTY}",
    "${LINES}",
)  # fmt: skip

JINJA = (
    """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ name | quote }}
data:
{% for n in range(3) %}  k{{ n }}: {{ A | tojson }}
{% endfor %}{% if B is defined %}  b: {{ B | to_yaml }}{% endif %}
""",
    """{% set words = ['a', 'b'] %}{"apiVersion": "v1", "kind": "ConfigMap",
"metadata": {"name": "{{ words | join('-') }}"}, "data": {{ {"a": A, "c": REPLICAS | int} | tojson }}}
""",
    """{% macro m(x) %}{{ x | b64encode }}{% endmacro %}apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: {{ m(A) }}}
""",
)

PATCHES = {
    "strategic": json.dumps(
        {
            "spec": {
                "template": {
                    "spec": {
                        "containers": [{"name": "app", "image": "b"}],
                        "$setElementOrder/containers": [{"name": "app"}],
                    }
                }
            }
        }
    ),
    "merge": '{"metadata": {"labels": {"a": null, "b": "c"}}, "spec": {"replicas": 2}}',
    "json": json.dumps(
        [
            {"op": "test", "path": "/spec/replicas", "value": 1},
            {"op": "replace", "path": "/spec/replicas", "value": 2},
            {"op": "add", "path": "/metadata/labels", "value": {"a~1b": "c"}},
            {"op": "move", "from": "/metadata/labels/a~01b", "path": "/metadata/labels/d"},
            {"op": "copy", "from": "/spec", "path": "/spec/x"},
            {"op": "remove", "path": "/spec/x"},
        ]
    ),
    "apply": '{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}',
}
