"""Records of the engine as the protocol's JSON. No request, no engine call here."""
