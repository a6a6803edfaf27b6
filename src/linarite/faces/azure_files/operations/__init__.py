"""One short function for each operation of the protocol: read the request, ask the engine once, answer."""
