# syntax=docker/dockerfile:1
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-compile --require-hashes --prefix /install -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY k8s_step ./k8s_step
RUN pip install --no-cache-dir --no-compile --no-deps --prefix /install . \
 && python -m compileall -q /install

FROM ${BASE}
LABEL org.opencontainers.image.title="k8s-step" \
      org.opencontainers.image.description="Ships a release to Kubernetes and exits with the truth about it" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /install /usr/local
# Root by default: GitHub runs container actions as root and owns the files it mounts. Any other uid works too.
ENTRYPOINT ["k8s-step"]
