"""``python -m elastic_spawner.hub.service``: JupyterHub starts the service so, with all settings in the environment."""

from .app import main

if __name__ == "__main__":
    main()
