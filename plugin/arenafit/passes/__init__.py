"""Rewrites of the graph that leave every output byte as it was; one file a pass."""
