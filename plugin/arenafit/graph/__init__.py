"""The graph, and the only code that knows the flatbuffer."""
