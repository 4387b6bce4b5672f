"""What a checkpoint, a restore and the watching cost, as ratios within one run: ``python -m benchmarks --help``."""
