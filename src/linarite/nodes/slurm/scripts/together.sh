# The script of a job of several machines. A step runs an instance on each; the task's own command line, whose element is
# called `command`, starts here when SIGHUP says that it is there. The job is over when its instances are.
instances=$3 mark=${bunch##*/}
over='' step='' own=''

end() { # SIGNAL: to the command line and to the instances
	ending=$1
	[ -z "$own" ] || kill -s "$1" "$own" 2>/dev/null
	[ -z "$step" ] || kill -s "$1" "$step" 2>/dev/null
}

ending=''
trap : HUP
trap 'end TERM' TERM
trap '! ours || end USR1' USR1
trap '! ours || end USR2' USR2
trap 'over=1' ALRM

main=$$
(
	trap 'kill -s TERM "$running" 2>/dev/null' TERM
	trap 'kill -s USR1 "$running" 2>/dev/null' USR1
	trap 'kill -s USR2 "$running" 2>/dev/null' USR2
	trap - HUP ALRM
	srun --overlap --nodes="$instances" --ntasks="$instances" --ntasks-per-node=1 --kill-on-bad-exit=0 --wait=0 \
		--input=none --output=none --error=none /bin/sh "$4" "$bunch" "$state" &
	running=$!
	while kill -s 0 "$running" 2>/dev/null; do wait "$running"; done
	kill -s ALRM "$main"
) &
step=$!

until [ -n "$over" ]; do
	sleep 86400 &
	slept=$!
	wait "$slept"
	kill "$slept" 2>/dev/null
	[ -z "$own$ending" ] || continue
	[ -f "$bunch/command" ] || [ -f "${bunch%/*}.closed/${bunch##*/}/command" ] || continue
	(
		trap - HUP
		claim command || exit 0
		obey "$(exec /bin/sh -c 'echo "$PPID"')"
		begin
		attend
		finish
		tell
	) &
	own=$!
done
[ -z "$own" ] || { kill -s TERM "$own" 2>/dev/null; wait "$own"; }
