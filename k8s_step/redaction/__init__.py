"""Secrets by value: what came in as a secret is masked in everything that leaves the process."""

from k8s_step.redaction.redactor import MASK, Redactor, SecretValue

__all__ = ["MASK", "Redactor", "SecretValue"]
