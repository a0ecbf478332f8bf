"""A simulated cluster for a first try; :mod:`k8s_step.practice.server` lists the supported features."""

from k8s_step.practice.server import PracticeServer

__all__ = ["PracticeServer"]
