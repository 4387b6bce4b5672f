# The packages that are lent to user pods, under /lib, and `cp` for the init container.
# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.
FROM python:3.12-slim AS build
COPY . /src
RUN pip install --no-cache-dir /src \
    && python -c "from elastic_spawner.lib import build_lib; build_lib('/made', copy=True)" \
    && mv /made/lib-* /packages
FROM busybox:1.37-musl
COPY --from=build /packages /lib
USER 65534
