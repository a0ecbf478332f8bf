"""Environment variables that describe the machine or the CI runner, and so are no template values by themselves.

``${HOSTNAME}`` in a ConfigMap is meant for the cluster and must not silently become the CI container's host name.
Variables that describe the build (commit, branch, run, pipeline, job, actor, registry) are ordinary values.

Sources: POSIX "Environment Variables" and bash's manual; GitHub "Variables reference" (default environment variables);
GitLab "Predefined CI/CD variables reference"; Jenkins' ``/env-vars.html`` and its agents' images.
"""

from __future__ import annotations

SHELL = frozenset(
    [
        *("HOME", "PATH", "USER", "LOGNAME", "HOSTNAME", "PWD", "OLDPWD", "SHELL", "SHLVL", "LANG", "LANGUAGE", "TERM"),
        *("TMPDIR", "TMP", "TEMP", "UID", "EUID", "PPID", "IFS", "PS1", "PS2", "PS4", "HOSTTYPE", "MACHTYPE", "OSTYPE"),
        *("DEBIAN_FRONTEND", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "PYTHONUNBUFFERED"),
        *("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "SSH_AGENT_PID", "SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION"),
        *("SUDO_COMMAND", "SUDO_GID", "SUDO_UID", "SUDO_USER", "_"),
    ]
)
GITHUB = frozenset(
    [
        *("CI", "GITHUB_ACTION", "GITHUB_ACTIONS", "GITHUB_ACTION_PATH", "GITHUB_ACTION_REF", "GITHUB_ENV"),
        *("GITHUB_ACTION_REPOSITORY", "GITHUB_EVENT_PATH", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE"),
        *("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "RUNNER_ARCH", "RUNNER_DEBUG", "RUNNER_ENVIRONMENT"),
        *("RUNNER_NAME", "RUNNER_OS", "RUNNER_PERFLOG", "RUNNER_TEMP", "RUNNER_TOOL_CACHE", "RUNNER_TRACKING_ID"),
        *("RUNNER_USER", "RUNNER_WORKSPACE", "AGENT_TOOLSDIRECTORY", "ImageOS", "ImageVersion"),
    ]
)
GITLAB = frozenset(
    [
        *("GITLAB_CI", "GITLAB_ENV", "CI_SERVER", "CI_PROJECT_DIR", "CI_BUILDS_DIR", "CI_CONCURRENT_ID"),
        *("CI_CONCURRENT_PROJECT_ID", "CI_DEBUG_TRACE", "CI_DEBUG_SERVICES", "CI_DISPOSABLE_ENVIRONMENT"),
        *("CI_SHARED_ENVIRONMENT", "CI_SERVER_TLS_CA_FILE", "CI_SERVER_TLS_CERT_FILE", "CI_SERVER_TLS_KEY_FILE"),
    ]
)
JENKINS = frozenset(
    [
        *("WORKSPACE", "WORKSPACE_TMP", "EXECUTOR_NUMBER", "NODE_NAME", "NODE_LABELS", "JENKINS_HOME", "HUDSON_HOME"),
        *("JENKINS_SERVER_COOKIE", "JENKINS_NODE_COOKIE", "HUDSON_SERVER_COOKIE", "HUDSON_COOKIE", "JENKINS_NAME"),
        *("JENKINS_SECRET", "JENKINS_TUNNEL", "JENKINS_WEB_SOCKET", "JENKINS_AGENT_NAME", "JENKINS_AGENT_WORKDIR"),
    ]
)
_NAMES = SHELL | GITHUB | GITLAB | JENKINS
_BEGINNINGS = (
    *("LC_", "XDG_", "BASH_"),
    *("ACTIONS_CACHE_", "ACTIONS_RESULTS_", "ACTIONS_RUNNER_", "ACTIONS_RUNTIME_", "CI_RUNNER_"),
    *("KUBERNETES_SERVICE_", "KUBERNETES_PORT"),  # describe the cluster that the runner's own pod is in
)


def is_ambient(name: str) -> bool:
    """Whether the environment variable ``name`` describes the machine and not the build.

    >>> is_ambient("HOSTNAME"), is_ambient("GITHUB_SHA"), is_ambient("BUILD_NUMBER")
    (True, False, False)
    """
    return name in _NAMES or name.startswith(_BEGINNINGS)
