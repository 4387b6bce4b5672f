# A user image as anybody's: nothing of ours is in it.
# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir \
        'jupyterlab==4.4.*' 'ipykernel==6.*' 'jupyterhub==5.5.*' 'numpy==2.2.*'
RUN useradd --create-home --uid 1000 jovyan
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/jovyan
WORKDIR /home/jovyan
USER 1000
