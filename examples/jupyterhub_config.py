"""A hub whose servers can be resized while their notebooks stay open. Runs as it stands:

    pip install "elastic-spawner[demo]" && npm install -g configurable-http-proxy
    jupyterhub -f examples/jupyterhub_config.py

Then open http://127.0.0.1:8000, log in as `alice` and run something; log in as `admin` in another browser (or a
private window) and resize her server at http://127.0.0.1:8000/services/elastic/. The password of both is `elastic`.
It writes its database, its secret and the checkpoints into the folder in which it is started.
"""

import elastic_spawner.hub

c = get_config()

# -- the two lines -----------------------------------------------------------------------------------------------------

c.Authenticator.admin_users = {"admin"}  # before configure(): who is an admin may resize
elastic_spawner.hub.configure(c)

# -- what sizes there are ----------------------------------------------------------------------------------------------

c.ElasticLocalSpawner.mem_limit = "2G"  # for each process of the server, the kernels too
c.ElasticLocalSpawner.cpu_limit = 1
c.ElasticLocalSpawner.max_mem = "8G"  # no resize may ask for more

# -- an ordinary hub, for trying out -----------------------------------------------------------------------------------

c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.Spawner.default_url = "/lab"

# All servers run as the user that the hub runs as, each in a home directory of its own. For accounts of the system use
# an authenticator that knows them (the default, PAM) and set c.ElasticLocalSpawner.system_users = True.
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "elastic"
c.Authenticator.allowed_users = {"alice"}
