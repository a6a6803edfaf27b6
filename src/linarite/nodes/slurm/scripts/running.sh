# How a run goes on its machine: what the scripts beside this one share. BUNCH and STATE are folders on the shared one.
#
# A run's element is a file of BUNCH (or of BUNCH's once that is closed). Its first line is `# RUN SECONDS`; all of it is
# a script that sets what the run needs and its words. The run is claimed by making the file STATE/claims/RUN, at most
# once whatever is submitted twice, and over once STATE/ended/RUN has its last line. Kept to what the shell does by
# itself: two processes more cost as much as a short task.
umask 077
unset SLURM_EXPORT_ENV
bunch=$1 state=$2
child='' overdue=0 asked='' told='' killer='' watch='' code=143 starting='' lost='' mark=''

claim() { # ELEMENT: make its run ours, or fail
	element=$bunch/$1 closed=${bunch%/*}.closed/${bunch##*/}/$1
	# Opened once: a server that takes over renames the folder at any moment.
	{ command exec 9<"$element" || command exec 9<"$closed"; } 2>/dev/null || return
	read -r _ run limit <&9 || return
	set -C # made by nobody else before, or not at all
	{ true >"$state/claims/$run"; } 2>/dev/null || return
	set +C
	# The element goes before the claim does: whoever claims in between has nothing to run any more.
	[ -f "$element" ] || [ -f "$closed" ] || { rm -f "$state/claims/$run"; return 1; }
}

is_over() { # whether the run has its record, or is forgotten already
	[ -e "$state/ended/$run" ] || [ ! -e "$state/claims/$run" ]
}

after() { # SECONDS SIGNAL SHELL: send it by then if the run goes on; killed before, it leaves nothing behind
	(
		slept='' gone=''
		trap 'gone=1; [ -z "$slept" ] || kill -KILL "$slept"' TERM
		# What came before is lost, and twice is not more than once: by then the run is over.
		is_over && exit
		sleep "$1" &
		slept=$!
		[ -z "$gone" ] || kill -KILL "$slept"
		wait "$slept"
		[ -n "$gone" ] || is_over || kill -s "$2" "$3"
	) 2>/dev/null 9<&- &
}

signal() { # the session, or what has yet to make one: a shell that was forked just now may lose it
	[ -z "$child" ] || { kill "-$1" "-$child" && told=1 || kill -s "$1" "$child"; } 2>/dev/null
}

gently() { # SECONDS until it is killed, none where Slurm does that; a session is told once
	[ -n "$asked$starting" ] || [ -z "$1" ] || { after "$1" USR2 "$self"; killer=$!; }
	[ -n "$told" ] || signal TERM
	asked=${asked:-TERM} grace=$1
}

at_once() {
	asked=KILL
	signal KILL
}

ours() { # whether a signal is the server's, which leaves a mark before it asks for the end of a run
	[ -e "$state/asked/${mark:-$run}" ]
}

obey() { # SELF: from now on this shell, of that number, ends its run when it is told to
	self=$1
	trap 'heard=1; ! ours || gently 25' USR1
	trap 'heard=1; [ -z "$asked" ] && ! ours || at_once' USR2
	trap 'heard=1; [ -n "$asked" ] || overdue=1; gently 5' ALRM
	# Not of the server's, which sends the first two: Slurm takes the machine away (scancel, preemption, its own time limit).
	trap 'heard=1; [ -n "$asked" ] || lost=1; gently ""' TERM
}

cannot() { # CODE MESSAGE: tell why the command line never ran
	printf '%s\n%s\n' "$1" "$2" >"$state/why/$run"
	exit 127
}

program() { # NAME PATH: whether there is one to execute
	case $1 in */*) [ -f "$1" ] && [ -x "$1" ]; return ;; esac
	rest=$2:
	while [ -n "$rest" ]; do
		folder=${rest%%:*} rest=${rest#*:}
		[ -f "${folder:-.}/$1" ] && [ -x "${folder:-.}/$1" ] && return
	done
	return 1
}

begin() {
	[ -z "$asked" ] || return
	# A shell starts what it does not wait for with SIGINT and SIGQUIT ignored. The env that can undo it came with basenc.
	sane=
	[ ! -x /usr/bin/basenc ] || sane=--default-signal=INT,QUIT
	starting=1 # meanwhile nothing else is started: $! would be that
	(
		trap - TERM USR1 USR2 ALRM
		. /dev/fd/9
		# shellcheck disable=SC2086 # this is a word, or none
		exec /usr/bin/env $sane -- "$@" 9<&-
	) &
	child=$!
	[ "${limit:-0}" = 0 ] || { after "$limit" ALRM "$self"; watch=$!; }
	starting=''
	case $asked in
	TERM) asked=''; gently "$grace" ;;
	KILL) at_once ;;
	esac
}

attend() { # until the command line is over
	[ -n "$child" ] || return 0
	heard=''
	wait "$child"
	code=$?
	# Where it was a signal to this shell that ended the wait, the next one tells; else it knows of no such child any more,
	# which bash 5.2 now and then says by -1.
	while [ "$code" -gt 128 ] && [ -n "$heard" ]; do
		heard=''
		wait "$child"
		waited=$?
		case $waited in 127 | -*) ;; *) code=$waited ;; esac
	done
	# Slurm ends a job by killing its processes one after another. Then this shell has no second left, and no record says
	# that the command line came to such an end by itself.
	case $asked$code in 137 | 143) sleep 1 ;; esac
}

finish() { # end what it left running
	trap '' TERM USR1 USR2 ALRM
	[ -z "$child" ] || kill -KILL "-$child" 2>/dev/null
	call_off
}

call_off() { # what would end it; a shell that was forked just now may lose the first word of it
	# shellcheck disable=SC2086 # numbers, or none
	[ -z "$killer$watch" ] || kill $killer $watch 2>/dev/null
}

record() {
	if [ -s "$state/why/$run" ]; then
		printf 'failed\n' || return
		while IFS= read -r line; do printf '%s\n' "$line" || return; done <"$state/why/$run"
	else
		if [ -n "$lost" ]; then printf 'lost %s\n' "$code"; else printf 'exited %s %s\n' "$code" "$overdue"; fi &&
			times || return
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
	call_off || true
}
