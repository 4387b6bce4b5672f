"""A real hub in a directory of its own, and browsers and kernels to use it: for tests, for the demo, for trials.

``HubProcess`` runs JupyterHub with its proxy and our spawner on free ports; ``Browser`` is a user who is logged in;
``Notebook`` is one notebook with a kernel, over the same websocket as JupyterLab's.
"""

from .browser import Browser, Notebook, Reply
from .hub import HubProcess

__all__ = ["Browser", "HubProcess", "Notebook", "Reply"]
