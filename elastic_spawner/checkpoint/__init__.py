"""From a replication plan and live objects to chunks and a signed manifest, and back.

Only the side that never unpickles is exported here, for the hub imports it too.
"""

from elastic_spawner.checkpoint.chunks import ChunkRef
from elastic_spawner.checkpoint.repository import GcReport, GenerationInfo, Repository, Stats, VerifyReport

__all__ = ["ChunkRef", "GcReport", "GenerationInfo", "Repository", "Stats", "VerifyReport"]
