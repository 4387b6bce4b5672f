"""The settings of the spawners, common to all machines that servers run on. The help texts are the manual."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyterhub.traitlets import ByteSpecification
from traitlets import Bool, Enum, Float, Integer, List, Unicode, default
from traitlets.config import Configurable

from ..checkpoint.encryption import POLICIES
from .keys import SECRET_FILE

if TYPE_CHECKING:  # what the mixin goes in front of
    from jupyterhub.spawner import Spawner as _Base
else:
    _Base = Configurable


class ElasticTraits(_Base):
    """The traits of ElasticSpawnerMixin."""

    keep_sessions = Bool(
        True,
        help="""Whether the sessions of servers are kept. False: servers are started and stopped as by the spawner class
        that this one extends, with nothing of ours in them; the checkpoints that there are stay.

        ElasticKubeSpawner's default is False until any of our settings is given, best by `configure(c)`: put in the
        place of KubeSpawner and nothing else, it is one. It may be set by a profile (`kubespawner_override`), too.
        """,
    ).tag(config=True)

    # -- where things are ----------------------------------------------------------------------------------------------

    data_dir = Unicode(
        "elastic_spawner_data",
        help="""Directory for what elastic_spawner keeps on the hub's machine; relative to the hub's working directory.

        Holds the checkpoints, unless `store_url` says otherwise, and the folder of packages that is lent to user
        kernels.
        """,
    ).tag(config=True)

    store_url = Unicode(
        help="""Where checkpoints are kept: `file:///directory` or `s3://bucket/prefix?endpoint=...&region=...`.

        Each server gets its own prefix below it. Default: the directory `checkpoints` in `data_dir`.
        """,
    ).tag(config=True)

    @default("store_url")
    def _default_store_url(self) -> str:
        return (Path(self.data_dir).absolute() / "checkpoints").as_uri()

    secret = Unicode(
        help="""The secret from which every server's key is derived, best as 64 hexadecimal digits.

        Default: the environment variable ELASTIC_SPAWNER_HUB_SECRET, else the file `secret_file`. Checkpoints written
        under one secret cannot be read under another.
        """,
    ).tag(config=True)

    secret_file = Unicode(
        SECRET_FILE,
        help="File with the secret, used when nothing else gives it, and made (readable by the hub only) when missing.",
    ).tag(config=True)

    former_secrets = List(
        Unicode(),
        help="""Secrets that the hub had before, when it was given another one; also from the environment variable
        ELASTIC_SPAWNER_FORMER_HUB_SECRETS, parted by commas.

        What they have signed and encrypted is taken over at the next start of each server, and servers that were
        started under them are still spoken to. Leave one out once no server's last checkpoint is older than the change:
        what it has signed cannot be read then.
        """,
    ).tag(config=True)

    encrypt_checkpoints = Enum(
        list(POLICIES),
        "no",
        help="""Whether checkpoints are encrypted, with a key of each server's own that is derived from the secret.

        For stores whose owner is not to read the values in them. The package `cryptography` does it, which is compiled
        and cannot be lent: each kernel's environment has to have it. `yes`: a kernel that lacks it is not saved, and a
        resize is refused then, which names the package. `where_possible`: such a kernel is saved without encryption,
        which its report says. Checkpoints from before a change of this can be read all the same.
        """,
    ).tag(config=True)

    # -- sizes ---------------------------------------------------------------------------------------------------------

    min_mem = ByteSpecification("256M", help="The least memory that a resize may ask for, such as `256M`.").tag(
        config=True
    )
    max_mem = ByteSpecification(
        None, allow_none=True, help="The most memory that a resize may ask for, such as `64G`; None: no bound."
    ).tag(config=True)
    min_cpus = Float(0.1, allow_none=True, help="The least number of CPUs that a resize may ask for.").tag(config=True)
    max_cpus = Float(
        None, allow_none=True, help="The greatest number of CPUs that a resize may ask for; None: no bound."
    ).tag(config=True)

    resize_in_place = Bool(
        False,
        help="""Whether a running server is given its new size without a move when that is possible.

        Faster, and nothing stops; but what was never saved cannot be restored if the machine goes away meanwhile.
        """,
    ).tag(config=True)

    # -- saving and restoring ------------------------------------------------------------------------------------------

    save_interval = Float(
        300.0,
        min=0.0,
        help="""Seconds after which a kernel is saved again by itself, when something was run in it; 0: never.

        What is lost with a node or a kernel that goes without notice is then no more than that. It is done while the
        kernel is idle, gives way to a cell that comes meanwhile, and writes what has changed. The cells that were run
        since are kept in the store as text, and shown to the user when it was lost.
        """,
    ).tag(config=True)

    fallback_folder = Unicode(
        "",
        help="""Folder in the user's home to which the kernels are saved when the store does not answer and the server
        is about to end (a stop, an eviction); empty: nowhere.

        The next start copies it into the store, as soon as that answers. It is readable by the user only, signed as the
        store's checkpoints are, and of use where the home outlives the server.
        """,
    ).tag(config=True)

    checkpoint_deadline = Float(
        60.0,
        min=1.0,
        help="Seconds in which all kernels of a server have to be saved, when a resize names no other deadline.",
    ).tag(config=True)

    on_busy = Enum(
        ["refuse", "interrupt"],
        "refuse",
        help="""What a resize does with a cell that is still running at the deadline, when it does not say so itself.

        `refuse`: the resize is refused and the cell goes on. `interrupt`: the cell is interrupted, which is noted in
        the report, and what there is then is saved.
        """,
    ).tag(config=True)

    on_loss = Enum(
        ["refuse", "accept"],
        "refuse",
        help="""What a resize does when a variable can be neither stored nor recomputed, when it does not say so itself.

        A generator that was made in a cell which also wrote a file, say: generators cannot be stored, and the cell
        must not write the file twice. `refuse`: the resize is refused, and the reason names each such variable, its
        cell and what helps, while the one who owns it can still act. `accept`: it is lost, which the report says.

        Plain stops always accept, for somebody asked for them and the server would end all the same.
        """,
    ).tag(config=True)

    stop_deadline = Float(
        60.0,
        min=1.0,
        help="Seconds in which all kernels have to be saved when the server is stopped, other than by a resize.",
    ).tag(config=True)

    stop_on_busy = Enum(
        ["refuse", "interrupt"],
        "interrupt",
        help="""What a plain stop (by an admin, the user, the culler) does with a cell that still runs at the deadline.

        `interrupt`: interrupt it and save what there is. `refuse`: let it run, and do as `on_failed_save` says.
        """,
    ).tag(config=True)

    on_failed_save = Enum(
        ["stop", "retry"],
        "stop",
        help="""What a plain stop does when the kernels could not be saved. The checkpoint before stays in any case.

        `stop`: stop all the same, for somebody asked for it, and say so loudly in the log. `retry`: try again for
        `retry_save_for` seconds before stopping.
        """,
    ).tag(config=True)

    retry_save_for = Float(300.0, help="Seconds for which `on_failed_save = 'retry'` tries again.").tag(config=True)

    restore_timeout = Float(
        600.0,
        help="""Seconds that a resize waits for the kernels to be restored before it calls itself done.

        The restore goes on after that. Cells that the user runs meanwhile wait for it.
        """,
    ).tag(config=True)

    move_stop_timeout = Float(
        75.0, help="Seconds that a resize waits for the old server to end before it tries by force, or gives up."
    ).tag(config=True)

    concurrent_saves = Integer(
        20,
        min=0,
        help="""How many servers the hub has save at the same time, for stops, resizes and moves; 0: any number.

        The others wait, and their deadlines begin when their turn comes. A save that Kubernetes itself asks for, when
        it evicts a pod, waits for nobody.
        """,
    ).tag(config=True)

    concurrent_starts = Integer(
        20,
        min=0,
        help="""How many servers are started at the same time in the course of moves; 0: any number.

        Starts that users ask for are limited by JupyterHub's own `concurrent_spawn_limit`, and not counted here.
        """,
    ).tag(config=True)

    will_resume = Bool(
        True,
        help="""Whether browsers that are logged in to a server stay so when it is stopped and started again.

        With True, an open tab reconnects by itself. The server gets a new API token at each start all the same.
        """,
    ).tag(config=True)

    @default("will_resume")
    def _default_will_resume(self) -> bool:
        return self.keep_sessions
