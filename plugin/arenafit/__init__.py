"""arenafit: the same bytes out of a TFLM model, in a fraction of the RAM."""

__version__ = "0.1.0"
