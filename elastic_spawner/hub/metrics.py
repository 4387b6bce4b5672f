"""What the hub counts, in its own Prometheus registry (``/hub/metrics``)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from .notices import notices

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_BYTES = tuple(float(10**exponent) for exponent in range(4, 13))

CHECKPOINT_SECONDS = Histogram(
    "elastic_spawner_checkpoint_seconds",
    "Seconds that a checkpoint of all kernels of one server took",
    ["reason"],
    buckets=_SECONDS,
)
CHECKPOINT_BYTES = Histogram(
    "elastic_spawner_checkpoint_bytes",
    "Bytes that a checkpoint of all kernels of one server holds",
    buckets=_BYTES,
)
CHECKPOINT_FAILURES = Counter(
    "elastic_spawner_checkpoint_failures_total",
    "Checkpoints that failed; the one before stayed",
    ["reason", "code"],
)
MIGRATIONS = Counter(
    "elastic_spawner_migrations_total",
    "Moves of servers by how they ended",
    ["outcome"],
)
NOTICES = Gauge("elastic_spawner_notices", "Parts that are off: a right that is missing, a store that cannot be used")
NOTICES.set_function(lambda: len(notices()))
MIGRATION_STEP_SECONDS = Histogram(
    "elastic_spawner_migration_step_seconds",
    "Seconds that each step of a move took",
    ["step"],
    buckets=_SECONDS,
)
