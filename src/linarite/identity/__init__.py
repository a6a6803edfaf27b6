"""Who may call: accounts with two keys, users with a role, tokens. `access.Identity` implements `engine.access.Access`.

No protocol's way of signing enters here: a face asks for keys, and checks signatures by itself.
"""
