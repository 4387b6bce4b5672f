"""Switches the agent on; the spawner puts this folder in front of JUPYTER_CONFIG_PATH.

Does nothing in a server that the spawner did not start, such as one that a user starts in a terminal.
"""

import os
import sys

c = get_config()  # type: ignore[name-defined]  # noqa: F821

if "ELASTIC_SPAWNER_STORE_URL" in os.environ:
    # At the end: whatever the image has itself wins over what comes along with us.
    sys.path.extend(
        folder
        for folder in os.environ.get("ELASTIC_SPAWNER_LIB", "").split(os.pathsep)
        if folder not in ("", *sys.path)
    )
    c.ServerApp.jpserver_extensions.update({"elastic_spawner.agent": True})
    if os.environ.get("ELASTIC_SPAWNER_SECRET"):
        from elastic_spawner.checkpoint.signing import derive

        # The same after each start: else open tabs would be logged out wherever the home directory is a new one.
        c.ServerApp.cookie_secret = derive(bytes.fromhex(os.environ["ELASTIC_SPAWNER_SECRET"]), "cookies")
