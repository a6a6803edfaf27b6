"""Who may call: accounts with two keys, users with a role, tokens. Implements `engine.access.Access` over the store.

No protocol's way of signing enters here: a face asks for keys, and checks signatures by itself.
"""

from linarite.identity.access import Identity

__all__ = ["Identity"]
