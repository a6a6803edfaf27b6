# How a run goes on its machine: what the scripts beside this one share. BUNCH and STATE are folders on the shared one.
#
# A run's element is a file of BUNCH (or of BUNCH's once that is closed). Its first line is `# RUN SECONDS`; all of it is
# a script that sets what the run needs and its words. The run is claimed by making the file STATE/claims/RUN, at most
# once whatever is submitted twice, and over once STATE/ended/RUN has its last line. Kept to what the shell does by
# itself: two processes more cost as much as a short task.
umask 077
unset SLURM_EXPORT_ENV
bunch=$1 state=$2
child='' overdue=0 asked='' killer='' watch='' code=143

claim() { # ELEMENT: make its run ours, or fail
	element=$bunch/$1
	[ -f "$element" ] || element=${bunch%/*}.closed/${bunch##*/}/$1
	read -r _ run limit 2>/dev/null <"$element" || return
	set -C # made by nobody else before, or not at all
	{ : >"$state/claims/$run"; } 2>/dev/null || return
	set +C
	# The element goes before the claim does: whoever claims in between has nothing to run any more.
	[ -f "$element" ] || { rm -f "$state/claims/$run"; return 1; }
}

after() { # SECONDS SIGNAL SHELL: send it by then; killed before, it leaves nothing behind
	(
		trap 'kill "$slept" 2>/dev/null; exit 0' TERM
		sleep "$1" &
		slept=$!
		wait "$slept"
		kill -s "$2" "$3"
	) &
}

signal() { # the session, or what has yet to make one
	[ -z "$child" ] || kill -s "$1" -- "-$child" 2>/dev/null || kill -s "$1" "$child" 2>/dev/null
}

gently() { # SECONDS until it is killed
	asked=TERM
	signal TERM
	[ -n "$killer" ] || { after "$1" USR2 "$self"; killer=$!; }
}

at_once() {
	asked=KILL
	signal KILL
}

obey() { # SELF: from now on this shell, of that number, ends its run when it is told to
	self=$1
	trap 'gently 25' TERM
	trap 'overdue=1; gently 5' USR1
	trap at_once USR2
}

cannot() { # CODE MESSAGE: tell why the command line never ran
	printf '%s\n%s\n' "$1" "$2" >"$state/why/$run"
	exit 127
}

begin() {
	[ -z "$asked" ] || return
	# A shell starts what it does not wait for with SIGINT and SIGQUIT ignored. The env that can undo it came with basenc.
	sane=
	[ ! -x /usr/bin/basenc ] || sane='/usr/bin/env --default-signal=INT,QUIT'
	(
		trap - TERM USR1 USR2
		. "$element"
		# shellcheck disable=SC2086 # these are words, or none
		exec $sane setsid "$@"
	) &
	child=$!
	[ -z "$asked" ] || signal "$asked"
	[ "${limit:-0}" = 0 ] || { after "$limit" USR1 "$self"; watch=$!; }
}

attend() { # until the command line is over
	while [ -n "$child" ]; do
		wait "$child"
		code=$?
		[ "$code" -gt 128 ] && kill -s 0 "$child" 2>/dev/null || break # else a signal to this shell ended the wait
	done
}

finish() { # end what it left running
	trap '' TERM USR1 USR2
	[ -z "$child" ] || kill -s KILL -- "-$child" 2>/dev/null
	# shellcheck disable=SC2086 # numbers, or none
	[ -z "$killer$watch" ] || kill $killer $watch 2>/dev/null
}

record() {
	if [ -s "$state/why/$run" ]; then
		printf 'failed\n' || return
		while read -r line; do printf '%s\n' "$line" || return; done <"$state/why/$run"
	else
		printf 'exited %s %s\n' "$code" "$overdue" && times || return
	fi
	printf 'end\n'
}

tell() { # a disk may be full for a while; without its record the run counts as lost
	tries=0
	until { record >"$state/ended/$run"; } 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 60 ] || exit 1
		sleep 5
	done
}
