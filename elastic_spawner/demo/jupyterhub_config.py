"""The demo's hub; what differs from one run to the next comes by the environment.

For a config to start one's own hub from see examples/jupyterhub_config.py.
"""

import os

import elastic_spawner.hub

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub executes this file with it

c.JupyterHub.bind_url = os.environ["DEMO_URL"]
c.JupyterHub.hub_port = int(os.environ["DEMO_HUB_PORT"])
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.ConfigurableHTTPProxy.api_url = os.environ["DEMO_PROXY_API_URL"]
c.ConfigurableHTTPProxy.command = [os.environ["DEMO_PROXY"]]

# Nobody else can reach the address: any password will do.
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {os.environ["DEMO_USER"]}
c.Authenticator.admin_users = {os.environ["DEMO_ADMIN"]}

c.ElasticLocalSpawner.mem_limit = os.environ["DEMO_MEMORY"]
c.ElasticLocalSpawner.cpu_limit = float(os.environ["DEMO_CPUS"])
c.Spawner.default_url = "/lab"
elastic_spawner.hub.configure(c)

# Logs in as the user and as the admin without a browser.
c.JupyterHub.services.append({"name": "demo", "api_token": os.environ["DEMO_TOKEN"]})
c.JupyterHub.load_roles.append({"name": "demo", "scopes": ["tokens", "admin:users"], "services": ["demo"]})
