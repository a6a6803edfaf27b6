"""What a client may send and nobody is shown: passwords and keys within elements that are kept as they were given."""

from __future__ import annotations

from typing import Any

_SECRETS = frozenset({"password", "sshPrivateKey", "accountKey", "sasKey", "protectedSettings"})


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same without passwords and keys, which the service takes and never gives."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items() if name not in _SECRETS}
    return [without_secrets(item) for item in value] if isinstance(value, list) else value
