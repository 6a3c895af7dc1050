# syntax=docker/dockerfile:1
# One image for every service of docker-compose.yaml. Why not the official Airflow image: docs/adr/0005-own-hashed-lock.md
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

# ---- build: everything that installs, and nothing that runs ------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /build

COPY requirements-uv.txt requirements.txt requirements-dev.txt ./
RUN python -m venv /opt/tools \
    && /opt/tools/bin/pip install --quiet --require-hashes -r requirements-uv.txt \
    && python -m venv --without-pip /opt/venv \
    && /opt/tools/bin/uv pip sync --quiet --python /opt/venv --require-hashes --compile-bytecode requirements.txt

# The build tool of our own package, out of the same hashed locks: a wheel must not fetch anything by itself.
RUN awk '/^[a-z]/ {wanted = /^setuptools==/} wanted' requirements-dev.txt > setuptools.txt \
    && /opt/tools/bin/uv pip install --quiet --python /opt/tools --require-hashes -r setuptools.txt

COPY pyproject.toml README.md LICENSE requirements.in ./
COPY include/afterpilot ./include/afterpilot
RUN /opt/tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /build/wheels . \
    && /opt/tools/bin/uv pip install --quiet --python /opt/venv --no-deps --compile-bytecode /build/wheels/*.whl

# ---- run: the environment, the DAGs and the declarations, owned by root, run by nobody in particular ---------------------
FROM ${PYTHON_IMAGE} AS run
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AIRFLOW_HOME=/opt/airflow \
    MPLCONFIGDIR=/tmp/matplotlib \
    GX_ANALYTICS_ENABLED=false

RUN groupadd --gid 50000 airflow \
    && useradd --uid 50000 --gid airflow --home-dir /opt/airflow --create-home --shell /usr/sbin/nologin airflow \
    && install --directory --owner airflow --group airflow /opt/airflow/logs

COPY --from=build /opt/venv /opt/venv
COPY deploy/healthy.py /opt/afterpilot/deploy/healthy.py
COPY dags /opt/afterpilot/dags
COPY plugins /opt/afterpilot/plugins
COPY include/workflows /opt/afterpilot/include/workflows

# The commit that the image was built from; every run that it makes is recorded with it. Last, for the builder's cache.
ARG AFTERPILOT_COMMIT=
ENV AFTERPILOT_COMMIT=${AFTERPILOT_COMMIT}

USER 50000:50000
WORKDIR /opt/afterpilot
CMD ["airflow", "version"]
