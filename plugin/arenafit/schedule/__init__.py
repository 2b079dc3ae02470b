"""The order of operators with the smallest peak of memory."""
