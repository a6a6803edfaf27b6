"""The Azure Batch data plane: routes to typed requests to one engine call to typed answers."""

from linarite.faces.azure_batch.face import AzureBatch

__all__ = ["AzureBatch"]
