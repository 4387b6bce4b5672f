# The packages that are lent to user pods, under /lib, and `cp` for the init container.
# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.
FROM python:3.12-slim AS made
COPY . /src
RUN pip install --no-cache-dir /src \
    && python -c "from elastic_spawner.lib import build_lib; build_lib('/made', copy=True)" \
    && mv /made/lib-* /packages
FROM python:3.10-slim AS compiled-3.10
COPY --from=made /packages /packages
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /packages -p /opt/elastic-spawner/lib /packages/elastic_spawner /packages/dill /packages/cloudpickle
FROM python:3.11-slim AS compiled-3.11
COPY --from=compiled-3.10 /packages /packages
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /packages -p /opt/elastic-spawner/lib /packages/elastic_spawner /packages/dill /packages/cloudpickle
FROM python:3.12-slim AS compiled-3.12
COPY --from=compiled-3.11 /packages /packages
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /packages -p /opt/elastic-spawner/lib /packages/elastic_spawner /packages/dill /packages/cloudpickle
FROM python:3.13-slim AS compiled-3.13
COPY --from=compiled-3.12 /packages /packages
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /packages -p /opt/elastic-spawner/lib /packages/elastic_spawner /packages/dill /packages/cloudpickle
FROM python:3.14-slim AS compiled-3.14
COPY --from=compiled-3.13 /packages /packages
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /packages -p /opt/elastic-spawner/lib /packages/elastic_spawner /packages/dill /packages/cloudpickle
FROM busybox:1.37-musl
COPY --from=compiled-3.14 /packages /lib
USER 65534
