#!/usr/bin/env bash
# A real Slurm on loopback in one folder: slurmctld, several slurmd, and munge with a key and a socket of its own.
#
#   slurm_cluster.sh start FOLDER PORT [NODES] [CPUS]   start all, wait until every node is idle; ports from PORT on
#   slurm_cluster.sh stop  FOLDER                       end all, jobs too; what they wrote stays
#   slurm_cluster.sh clean FOLDER                       end all and remove the folder
#   slurm_cluster.sh run   FOLDER PORT [NODES] [CPUS]   start, say so, wait for the end of standard input, clean
#   slurm_cluster.sh kill-node FOLDER NODE [hard]       SIGKILL a node's slurmd; hard: all that runs there too
#   slurm_cluster.sh start-node FOLDER NODE             start it again
#   slurm_cluster.sh kill-controller FOLDER             SIGKILL slurmctld
#   slurm_cluster.sh start-controller FOLDER            start it again, wait until it answers
#
# Debian: apt-get install --no-install-recommends slurm-wlm munge. No systemd, no cgroup, nothing outside the folder;
# as root (jobs of any user that /etc/passwd knows) or as any one user (that user's jobs). By hand:
#   tests/support/slurm_cluster.sh start /tmp/c 21817 3 4 && export SLURM_CONF=/tmp/c/slurm.conf
#
# `start` reads from the environment (lines of slurm.conf each):
#   SLURM_CLUSTER_SETTINGS     Name=Value lines in place of, or besides, those below
#   SLURM_CLUSTER_NODES        "NODE words of its NodeName line", such as "n1 Features=big RealMemory=64000"
#   SLURM_CLUSTER_PARTITIONS   PartitionName lines in place of one named main
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
usage="usage: slurm_cluster.sh start|stop|clean|run|kill-node|start-node|kill-controller|start-controller FOLDER ..."
command=${1:?$usage} folder=$(realpath -m "${2:?$usage}")
export SLURM_CONF=$folder/slurm.conf
START_SECONDS=30 STOP_SECONDS=20

die() { echo "slurm_cluster: $*" >&2; exit 1; }

until_true() { # SECONDS, command...: poll it; fails when the time is over
    local deadline=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $deadline ] || return 1; sleep 0.05; done
}

# Daemons, by pid file: a number alone may be another process by now, so its command line has to say what it is.
program() { case $1 in munged | slurmctld) echo "$1" ;; *) echo slurmd ;; esac; }
lives() { # DAEMON: munged, slurmctld or a node
    local pid; pid=$(cat "$folder/run/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    case "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" in "$(program "$1") "*"$folder/"*) ;; *) return 1 ;; esac
}
is_gone() { ! lives "$1"; }
end_daemon() { # DAEMON, signal: end it, at last by SIGKILL
    if lives "$1"; then
        kill "-$2" "$(cat "$folder/run/$1.pid")" || true
        until_true $STOP_SECONDS is_gone "$1" || kill -KILL "$(cat "$folder/run/$1.pid")" || true
        until_true $STOP_SECONDS is_gone "$1" || die "$1 does not end"
    fi
    rm -f "$folder/run/$1.pid"
}
start_daemon() { # DAEMON, command...
    lives "$1" && return
    mkdir -p "$folder/log/$1"
    "${@:2}" </dev/null >>"$folder/log/$1/out" 2>&1 && until_true $START_SECONDS lives "$1" && return
    die "$1 does not start: $(tail -n 5 "$folder/log/$1"/*)"
}
start_munged() {
    [ -s "$folder/munge.key" ] || (umask 077; head -c 1024 /dev/urandom >"$folder/munge.key")
    start_daemon munged munged --key-file="$folder/munge.key" --socket="$folder/run/munge.socket" --num-threads=4 \
        --pid-file="$folder/run/munged.pid" --seed-file="$folder/run/munged.seed" --log-file="$folder/log/munged/log"
}
start_controller() { start_daemon slurmctld slurmctld -f "$SLURM_CONF"; }
start_node() { mkdir -p "$folder/spool/$1"; start_daemon "$1" slurmd -N "$1" -f "$SLURM_CONF"; }
nodes() { cat "$folder/nodes"; }
answers() { timeout 5 scontrol ping 2>/dev/null | grep -q 'is UP'; }
are_idle() { [ "$(timeout 5 sinfo -h -N -o '%N %T' 2>/dev/null | sort -u | grep -c ' idle$')" = "$(nodes | wc -l)" ]; }

# Processes of jobs. A slurmstepd stands in its slurmd's log folder; what a job started is below it, or was told of it.
# One look at all processes each: a busy machine has a thousand.
running_steps() { # node, or nothing for all
    local process
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$folder/log/${1:-*}" -printf '%h\n' 2>/dev/null | while read -r process; do
        case "$(tr '\0' ' ' <"$process/cmdline")" in slurmstepd*) echo "${process#/proc/}" ;; esac
    done 2>/dev/null
}
told_of_node() {
    grep -lzxsF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ | xargs -r grep -lzxs "SLURMD_NODENAME=${1:-.*}" |
        cut -d/ -f3
}
standing_in_shared() {
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$folder/shared*" -printf '%h\n' 2>/dev/null | cut -d/ -f3
}
below() { # those that a process has started, and theirs
    local child
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$child"; below "$child"; done
}
kill_jobs() { # node, or nothing for all: fails while there was one
    local pid state found=0
    for pid in $({ for pid in $(running_steps "${1:-}"); do echo "$pid"; below "$pid"; done; told_of_node "${1:-}"
        [ -n "${1:-}" ] || standing_in_shared; } | sort -un); do
        state=$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null) || continue
        [ "$state" = Z ] && continue
        found=1
        kill -KILL "$pid" 2>/dev/null || true
    done
    return $found
}

settings() {
    local host user plugins
    host=$(hostname -s) user=$(id -un)
    plugins=$(find /usr/lib /usr/local/lib -name select_cons_tres.so -print -quit 2>/dev/null)
    cat <<LINES
ClusterName=linarite
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/run/munge.socket
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/%n.pid
SlurmctldLogFile=$folder/log/slurmctld/log
SlurmdLogFile=$folder/log/%n/log
PluginDir=$(dirname "${plugins:?Slurm has no select_cons_tres.so}")
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=2
InactiveLimit=0
MessageTimeout=20
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1,default_queue_depth=1000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
LINES
}
write_configuration() { # PORT NODES CPUS
    local number given own=${SLURM_CLUSTER_SETTINGS:-}
    {
        settings "$1" | while IFS= read -r given; do
            grep -qi "^${given%%=*}=" <<<"$own" || echo "$given"
        done
        echo "$own"
        for number in $(seq 1 "$2"); do
            given=$(sed -n "s/^n$number //p" <<<"${SLURM_CLUSTER_NODES:-}")
            case $given in *RealMemory=*) ;; *) given="RealMemory=2000 $given" ;; esac
            echo "NodeName=n$number NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(($1 + number)) CPUs=$3 $given"
        done
        echo "${SLURM_CLUSTER_PARTITIONS:-PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP}"
    } >"$SLURM_CONF"
    seq -f n%.0f 1 "$2" >"$folder/nodes"
}

start() { # PORT NODES CPUS
    local node
    mkdir -p "$folder"/{run,log,state,spool,shared}
    chmod 755 "$folder" "$folder"/{run,log,spool,shared}
    write_configuration "$@"
    start_munged
    start_controller
    for node in $(nodes); do start_node "$node"; done
    until_true $START_SECONDS are_idle || die "not all nodes are idle: $(sinfo -N -l 2>&1)"
}
stop() (
    # In a process of its own, so that whoever calls it goes on when something does not end.
    [ -f "$folder/nodes" ] || return 0
    for node in $(nodes); do end_daemon "$node" TERM; done
    end_daemon slurmctld TERM
    until_true $STOP_SECONDS kill_jobs || die "processes of jobs do not end"
    end_daemon munged TERM
)

case $command in
start)
    trap '[ $? = 0 ] || stop' EXIT
    start "${3:?PORT is missing}" "${4:-3}" "${5:-4}"
    ;;
stop) stop ;;
clean) stop; rm -rf "$folder" ;;
run) # whoever holds standard input may die as it likes: nothing outlives it
    trap '' HUP INT TERM
    trap 'code=$?; stop || stop || code=1; rm -rf "$folder"; exit $code' EXIT
    start "${3:?PORT is missing}" "${4:-3}" "${5:-4}"
    echo started
    cat >/dev/null
    ;;
kill-node)
    end_daemon "${3:?NODE is missing}" KILL
    [ "${4:-}" != hard ] || until_true $STOP_SECONDS kill_jobs "$3" || die "processes of $3 do not end"
    ;;
start-node) start_node "${3:?NODE is missing}" ;;
kill-controller) end_daemon slurmctld KILL ;;
start-controller) start_controller; until_true $START_SECONDS answers || die "slurmctld does not answer" ;;
*) die "$usage" ;;
esac
