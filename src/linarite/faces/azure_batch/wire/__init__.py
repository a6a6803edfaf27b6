"""Request bodies: msgspec structs of their shapes, and their turning into what the engine is asked."""
