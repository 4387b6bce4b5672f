"""elastic_spawner: notebook sessions that outlive their machines."""

__version__ = "0.1.0.dev0"
