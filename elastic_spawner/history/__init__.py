"""What the session did: cell executions, variable snapshots and their lineage. Pure data, standard library only."""

from .model import CellExecution, FileRead, History, Rerun, Snapshot

__all__ = ["CellExecution", "FileRead", "History", "Rerun", "Snapshot"]
