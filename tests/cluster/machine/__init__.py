"""A real Kubernetes of two nodes on one Linux machine, without Docker and without a registry.

``python -m tests.cluster.machine up`` builds what is needed (once; it is kept in a cache folder), starts the cluster,
and prints the path of its kubeconfig. See ``network.py`` for what runs where.
"""
