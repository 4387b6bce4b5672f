"""Loads the kernel part into a kernel.

The agent sends this file's text to a kernel as its first message. It is not imported by the server, and runs in a
namespace of its own, so that it leaves no name in the user's. It has to be readable for any Python 3.
"""


def load(libs):
    """Load elastic_spawner's IPython extension, lending the kernel what it lacks; returns the JSON text of an
    answer."""
    import json
    import sys
    from importlib.util import find_spec

    try:
        lacking = [name for name in ("elastic_spawner", "dill", "cloudpickle", "networkx") if find_spec(name) is None]
        if lacking:
            # At the end: the user's own packages win.
            sys.path.extend(folder for folder in libs if folder not in sys.path)
        from IPython import get_ipython

        extensions = get_ipython().extension_manager
        if "elastic_spawner" not in extensions.loaded:
            refusal = extensions.load_extension("elastic_spawner")
            if refusal:  # IPython says so instead of raising
                raise ImportError("IPython did not load elastic_spawner: " + refusal)
        answer = {"ok": True, "result": {"python": sys.version.split()[0], "lent": lacking}}
    except BaseException as error:  # an interrupt too is answered
        answer = {"ok": False, "error": {"type": type(error).__name__, "message": str(error)}}
    return json.dumps(answer)
