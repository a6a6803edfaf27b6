"""HPC Pack's REST service: the classic XML surface and the JSON one under /hpc, over the one engine.

Routes, property tables, wording and shapes of this protocol stand here; jobs, tasks and nodes themselves do not.
Source: Microsoft HPC Pack SDK, 'HPC Pack REST API reference'.
"""

from linarite.faces.hpc_pack.face import HpcPack

__all__ = ["HpcPack"]
