"""Masks the values of secrets that the run was given in all its output."""

from k8s_step.redaction.redactor import MASK, Redactor, SecretValue

__all__ = ["MASK", "Redactor", "SecretValue"]
