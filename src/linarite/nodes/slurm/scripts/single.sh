# An element of an array: one run.
claim "${SLURM_ARRAY_TASK_ID:-0}" || exit 0
obey $$
begin
attend
finish
tell
