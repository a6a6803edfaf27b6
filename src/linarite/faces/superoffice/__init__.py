"""SuperOffice WebAPI BatchTask: routes, typed requests, one engine call, typed answers; no work of the engine's own.

Sources: seed 003 (GET BatchTask/{id}), the published Swagger files, SuperOffice NOTES.
"""

from linarite.faces.superoffice.definitions import Definition
from linarite.faces.superoffice.face import SuperOffice

__all__ = ["Definition", "SuperOffice"]
