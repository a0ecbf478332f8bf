"""The cluster for a first try; see :mod:`k8s_step.practice.server` for what it plays and what it doesn't."""

from k8s_step.practice.server import PracticeServer

__all__ = ["PracticeServer"]
