"""``python -m k8s_step``, the same as the ``k8s-step`` command."""

from k8s_step.cli import main

if __name__ == "__main__":
    main()
