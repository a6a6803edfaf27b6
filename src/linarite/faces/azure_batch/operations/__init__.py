"""One function an operation: read the request, one call of the engine, answer. Grouped as the reference groups them."""
