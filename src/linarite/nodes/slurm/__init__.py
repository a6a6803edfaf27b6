"""Nodes that are the machines of a Slurm cluster: a Slurm job a run, on a folder that all of them share.

`nodes` is the seam's implementation; `spool` what stands on the shared folder, `scripts` what runs on a machine,
`attempts` the rules of what became of a run, `commands` the calls to Slurm, `porter` those who move files.
"""

from linarite.nodes.slurm.nodes import SlurmNodes
from linarite.nodes.slurm.options import Options, Where

__all__ = ["Options", "SlurmNodes", "Where"]
