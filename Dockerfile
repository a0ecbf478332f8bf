# The base by exact version; the update bot pins and renews its digest (renovate.json). The tests may name another.
ARG BASE=python:3.13.14-slim-bookworm
FROM ${BASE} AS base

FROM base AS build
WORKDIR /src
# Wheels only: whatever would need a compiler is an error.
ENV PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
# Bytecode is compared by nothing at run time, so that no copy makes it stale; paths in it as in the image.
ENV COMPILE="python -m compileall -q -f --invalidation-mode unchecked-hash -s /install -p /usr/local"
COPY requirements.lock requirements-build.lock ./
RUN python -m pip install --no-compile --require-hashes --requirement requirements-build.lock \
 && python -m pip install --no-compile --require-hashes --requirement requirements.lock --prefix /install \
 && $COMPILE /install
COPY pyproject.toml README.md LICENSE ./
COPY k8s_step ./k8s_step
# The dependencies' own commands aren't the step's.
RUN python -m pip install --no-compile --no-deps --no-build-isolation --prefix /install . \
 && find /install/bin -type f ! -name k8s-step -delete \
 && $COMPILE /install/lib/python3*/site-packages/k8s_step

FROM base AS root
# Jenkins ends an aborted step with the ps and kill of the container it runs in (docker-workflow's WithContainerStep).
# openssl, which the CA certificates bring anyway, signs with a Google service account's key.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openssl procps \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/apt /var/log/dpkg.log
# What a step never runs goes; the rest of the standard library is compiled, which the base leaves to the first start.
# Nor does anybody become root in a step.
WORKDIR /usr/local/lib
RUN rm -rf python3*/ensurepip python3*/idlelib python3*/pydoc_data python3*/tkinter python3*/lib-dynload/_tkinter.* \
      python3*/turtle.py python3*/turtledemo python3*/venv python3*/config-* python3*/site-packages/pip* \
      python3*/site-packages/setuptools* python3*/site-packages/wheel* pkgconfig ../include ../share/man \
      ../bin/pip* ../bin/wheel ../bin/idle* ../bin/pydoc* ../bin/python*-config \
 && python -m compileall -q -f --invalidation-mode unchecked-hash python3* \
 && find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
COPY --from=build /install /usr/local

# One layer, so that what was removed is not in the image at all.
FROM scratch
# hadolint ignore=DL3067
COPY --from=root / /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8
ARG BASE
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="k8s-step" \
      org.opencontainers.image.description="Ships a release to Kubernetes and exits with the truth about it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
# Root by default: GitHub runs container actions as root and owns the files it mounts. Any other uid works too.
# Not a shell script: dash drops variables like INPUT_DRY-RUN, which are GitHub's inputs.
ENTRYPOINT ["/usr/local/bin/python", "-I", "-u", "-m", "k8s_step.entrypoint"]
