"""What a Python object reaches, and how to tell whether it is still the same: used by tracking and by checkpoint."""
