"""Watching a live kernel: what a cell read, what it wrote, and what it did to the outside."""
