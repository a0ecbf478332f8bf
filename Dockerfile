# The base by exact version; the update bot pins and renews its digest (renovate.json). The tests may name another.
ARG BASE=python:3.13.14-slim-bookworm
FROM ${BASE} AS base

FROM base AS build
WORKDIR /src
# Wheels only: whatever would need a compiler is an error.
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
COPY requirements.lock requirements-build.lock ./
RUN python -m pip install --require-hashes --requirement requirements-build.lock \
 && python -m pip install --require-hashes --requirement requirements.lock --prefix /install
COPY pyproject.toml README.md LICENSE ./
COPY k8s_step ./k8s_step
# The dependencies' own commands aren't the step's.
RUN python -m pip install --no-deps --no-build-isolation --prefix /install . \
 && find /install/bin -type f ! -name k8s-step -delete

FROM base AS root
COPY --from=build /install /usr/local
# What a step never runs goes; what stays is compiled, by content and not by date, so that no copy makes it stale.
RUN python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))' > /tmp/stdlib \
 && cd "$(cat /tmp/stdlib)" \
 && rm -rf ensurepip idlelib pydoc_data tkinter turtledemo turtle.py venv config-* lib-dynload/_tkinter.* \
      site-packages/pip site-packages/pip-* site-packages/setuptools* site-packages/wheel* /tmp/stdlib \
      /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/bin/idle* /usr/local/bin/pydoc* /usr/local/bin/python*-config \
      /usr/local/include /usr/local/lib/pkgconfig /usr/local/share/man \
 && python -m compileall -q -f --invalidation-mode unchecked-hash .

# One layer, so that what was removed is not in the image at all.
FROM scratch
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
