# Added to the configuration of the tests' hubs: a spawner that stops half-way through a move, or fails, when it is told
# to.
import asyncio
from importlib.metadata import entry_points
from pathlib import Path

(_kind,) = entry_points(group="jupyterhub.spawners", name=c.JupyterHub.spawner_class)  # noqa: F821


class PausingSpawner(_kind.load()):
    """Holds a move before or after an action that the file ``pause_at`` names, for ever, and says so by ``paused``."""

    async def _pause(self, where):
        wish = Path("pause_at")
        if wish.exists() and wish.read_text().strip() == where:
            wish.rename("paused")
            self.log.warning("paused %s", where)
            await asyncio.sleep(3600)


def _pausing(name):
    async def action(self, *args, **kwargs):
        await self._pause(f"before {name}")
        if Path("fail_at").exists() and Path("fail_at").read_text() == name:
            raise RuntimeError(f"{name} is to fail")
        result = await getattr(super(PausingSpawner, self), name)(*args, **kwargs)
        await self._pause(f"after {name}")
        return result

    return action


for _name in (
    "start",
    "check_room",
    "reserve_room",
    "save_for_move",
    "end_server",
    "launch_server",
    "route_to_server",
    "restored",
):
    setattr(PausingSpawner, _name, _pausing(_name))

c.JupyterHub.spawner_class = PausingSpawner  # noqa: F821
c.Spawner.pre_spawn_hook = lambda spawner: setattr(spawner, "resize_in_place", spawner.user.name == "inplace")  # noqa: F821
c.ElasticLocalSpawner.min_mem = "1M"  # noqa: F821
c.ElasticLocalSpawner.max_mem = "8G"  # noqa: F821
c.ElasticLocalSpawner.max_cpus = 64  # noqa: F821
c.ElasticLocalSpawner.move_stop_timeout = 20  # noqa: F821
c.JupyterHub.cleanup_servers = False  # noqa: F821
