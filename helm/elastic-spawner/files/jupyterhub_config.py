"""The configuration of the chart's own hub (hub.enabled): what the chart's values say, and then ours."""

import json
import os
from pathlib import Path

from elastic_spawner.hub.chart import configure_from_chart

c = get_config()  # noqa: F821 - JupyterHub gives it
settings = json.loads(Path("/etc/elastic-spawner/hub.json").read_text())

c.JupyterHub.base_url = settings["baseUrl"]
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = settings["hubUrl"]
c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
c.JupyterHub.cookie_secret = bytes.fromhex(os.environ["ELASTIC_COOKIE_SECRET"])
c.JupyterHub.cleanup_servers = False
c.JupyterHub.allow_named_servers = True
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
# The proxy has a pod of its own; its token is in CONFIGPROXY_AUTH_TOKEN.
c.ConfigurableHTTPProxy.api_url = settings["proxyApiUrl"]
c.ConfigurableHTTPProxy.should_start = False

c.JupyterHub.authenticator_class = settings["authenticator"]
c.Authenticator.admin_users = set(settings["adminUsers"])
c.Authenticator.allow_all = settings["allowAll"]
c.DummyAuthenticator.password = os.environ["ELASTIC_DUMMY_PASSWORD"]

c.JupyterHub.services = []
c.JupyterHub.load_roles = []
if tester := settings["testUser"]:
    c.JupyterHub.services.append({"name": "elastic-test", "api_token": os.environ["ELASTIC_TEST_TOKEN"]})
    c.JupyterHub.load_roles.append(
        {
            "name": "elastic-test",
            "description": "`helm test`: one user of its own, and that user's server",
            "scopes": [f"{scope}!user={tester}" for scope in ("admin:users", "admin:servers", "access:servers")],
            "services": ["elastic-test"],
        }
    )

user = settings["user"]
c.JupyterHub.spawner_class = "elastic-kube"
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.KubeSpawner.extra_labels = {"elastic-spawner/release": settings["release"]}
c.KubeSpawner.image = user["image"]
c.KubeSpawner.image_pull_policy = user["pullPolicy"]
c.KubeSpawner.image_pull_secrets = user["pullSecrets"]
c.KubeSpawner.cmd = user["command"]
c.KubeSpawner.mem_limit, c.KubeSpawner.mem_guarantee = user["memory"]["limit"], user["memory"]["guarantee"]
c.KubeSpawner.cpu_limit, c.KubeSpawner.cpu_guarantee = user["cpu"]["limit"], user["cpu"]["guarantee"]
c.KubeSpawner.start_timeout = user["startTimeout"]
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.uid = c.KubeSpawner.gid = c.KubeSpawner.fs_gid = user["uid"]
c.KubeSpawner.container_security_context = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
home = {"name": "home", "emptyDir": {}}
if user["storage"]["type"] == "dynamic":
    c.KubeSpawner.pvc_name_template = "claim-{user_server}"
    c.KubeSpawner.storage_pvc_ensure = True
    c.KubeSpawner.storage_capacity = user["storage"]["size"]
    c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
    if user["storage"]["storageClassName"] is not None:
        c.KubeSpawner.storage_class = user["storage"]["storageClassName"]
    home = {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
c.KubeSpawner.volumes = [home]
c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": user["storage"]["mountPath"]}]

for name, traits in settings["config"].items():
    c[name].update(traits)
configure_from_chart(c)
for name, code in sorted(settings["extraConfig"].items()):
    exec(compile(code, f"hub.extraConfig.{name}", "exec"))
