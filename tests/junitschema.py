"""Whether a JUnit file is one that Jenkins' xunit plug-in takes: it leaves out what its schema does not know."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import xmlschema

_SCHEMA = Path(__file__).resolve().parent / "schemas" / "junit-10.xsd"


@cache
def _schema() -> Any:
    return xmlschema.XMLSchema(_SCHEMA)


def mistakes(text: str, *more: str) -> list[str]:
    """What the schema has against it; each object's case must have the attributes ``more``, which it does not know."""
    root = Xml.fromstring(text)
    of_objects = [case for case in root.findall("testcase") if case.get("classname") != "k8s-step.run"]
    for case in of_objects:
        for name in more:
            del case.attrib[name]
    return [f"{error.path}: {error.reason}" for error in _schema().iter_errors(root)]
