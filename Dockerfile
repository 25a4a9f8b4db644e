# syntax=docker/dockerfile:1.7
# One image for workers, the gallery and Prefect's server (docs/operations.md, "Containers").
#
#   docker build --tag meshmill:0.1.0-cpu .
#   docker build --tag meshmill:0.1.0-cuda --build-arg DEVICE=cuda .
#
# The version is pinned here, every package's in constraints.txt; to freeze the base too, build with
# --build-arg BASE=python:3.11-slim-bookworm@sha256:… (the digest that `docker buildx imagetools inspect` prints).
ARG BASE=python:3.11-slim-bookworm

# What changes with constraints.txt alone: gigabytes, built once a release.
FROM ${BASE} AS dependencies
ARG DEVICE=cpu
# PyPI's torch for Linux brings CUDA; PyTorch's own index has the small one.
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /source
COPY pyproject.toml constraints.txt ./
RUN python -m venv /opt/meshmill
RUN case "${DEVICE}" in \
      cpu) /opt/meshmill/bin/pip install --no-deps --constraint constraints.txt --index-url "${CPU_INDEX}" torch ;; \
      cuda) /opt/meshmill/bin/pip install --constraint constraints.txt torch ;; \
      *) echo "DEVICE is cpu or cuda, not ${DEVICE}" >&2; exit 2 ;; \
    esac
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && /opt/meshmill/bin/pip install --constraint constraints.txt --requirement requirements.txt

# The wheel, installed beside the environment, and the shipped weights apart from the code.
FROM dependencies AS code
COPY . .
RUN /opt/meshmill/bin/pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/meshmill/bin/pip install --no-deps --no-compile --prefix /code /wheels/*.whl \
    && mkdir /weights \
    && mv /code/lib/python3.11/site-packages/models /weights/models

FROM ${BASE} AS image
# pymeshlab's plugins are linked with OpenGL, X11 and GMP; numba with OpenMP.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libfontconfig1 libgl1 libgmp10 libgomp1 libopengl0 libp11-kit0 libx11-6 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 meshmill \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/meshmill --create-home --shell /usr/sbin/nologin meshmill
COPY --from=dependencies /opt/meshmill /opt/meshmill
COPY --from=code /weights/models /opt/meshmill/lib/python3.11/site-packages/models
COPY --from=code /code /opt/meshmill

ENV PATH=/opt/meshmill/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MESHMILL_HOME=/var/lib/meshmill/home \
    MESHMILL_DIRECTORY=/opt/meshmill/lib/python3.11/site-packages \
    PREFECT_HOME=/var/lib/meshmill/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30 \
    PREFECT_WORKER_WEBSERVER_HOST=127.0.0.1 \
    PREFECT_LOGGING_EXTRA_LOGGERS=core,db,storage,tasks,flows \
    DO_NOT_TRACK=1
USER 10001:10001
WORKDIR /var/lib/meshmill
VOLUME /var/lib/meshmill

# A worker; the gallery and the server are other commands of the same image and bring their own checks (compose.yaml).
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=8)"]
STOPSIGNAL SIGTERM
CMD ["prefect", "worker", "start", "--pool", "gpu", "--limit", "1", "--with-healthcheck"]
