# One of several instances on machines that are had together, a task of the job's step: its coordination command, whose
# element bears the machine's name. What that left running stays until the run is ended.
mark=${bunch##*/}
claim "$SLURMD_NODENAME" || exit 0
obey $$
begin
attend
if [ "$code" = 0 ] && [ -z "$asked" ] && [ ! -s "$state/why/$run" ]; then
	until { true >"$state/returned/$run"; } 2>/dev/null || [ -n "$asked" ]; do sleep 1; done
	until [ -n "$asked" ]; do
		starting=1 # see `begin`
		sleep 86400 &
		slept=$!
		starting=''
		[ -n "$asked" ] || wait "$slept"
	done
	kill "$slept" 2>/dev/null
	code=0
fi
finish
tell
