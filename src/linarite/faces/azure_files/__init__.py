"""Azure Files over REST: addresses, signatures, headers, XML. Shares themselves are the engine's (`engine.sharing`)."""

from linarite.faces.azure_files.face import AzureFiles

__all__ = ["AzureFiles"]
