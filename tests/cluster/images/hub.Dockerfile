# The hub with its proxy, and elastic_spawner.
# Made by `python -m tests.cluster.machine dockerfiles` from tests/cluster/machine/contents.py.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates python3 python3-venv nodejs \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir \
        'jupyterhub==5.5.*' 'jupyterhub-kubespawner==7.*' 'boto3==1.*' 'jupyter_server==2.*' 'dill' 'networkx'
RUN apt-get update && apt-get install -y npm && npm install -g configurable-http-proxy@^5
COPY . /src
RUN /opt/venv/bin/pip install --no-cache-dir "/src[kube,s3]" && rm -rf /src
RUN useradd --create-home --uid 1000 jovyan
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/jovyan
WORKDIR /home/jovyan
USER 1000
