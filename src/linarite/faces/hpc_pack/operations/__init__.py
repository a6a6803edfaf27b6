"""The operations: read the call, one question or one unit of work for the engine, answer. One function each."""
