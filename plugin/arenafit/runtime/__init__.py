"""Running models in the real TFLM on the host, and comparing them bit for bit."""
