#!/usr/bin/env bash
# walkthrough.sh BLOCKS PYTHON REPOSITORY: do what docs/slurm.md says, on a view of this machine that is written to and
# then gone: its files, its users, its network of loopback, its processes. BLOCKS holds the page's blocks, a file each.
# Root's. What cannot be here: machines of their own (slurmd is several times on this one), pip (PYTHON has Linarite),
# systemd (the unit's command is started with the user, rights and read-only places that the unit says).
set -Eeuo pipefail
blocks=$1 python=$2 repository=$3
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

if [ "${4:-}" != inside ]; then
    view=$(mktemp -d) && trap 'rmdir "$view"' EXIT
    unshare --mount --net --pid --fork --kill-child bash -ec '
        mount -t tmpfs tmpfs "$0" && mkdir "$0"/{upper,work,root}
        mount -t overlay -o lowerdir=/,upperdir="$0/upper",workdir="$0/work" overlay "$0/root"
        cd "$0/root" && mount --rbind /dev dev && mount --rbind /sys sys && mount -t proc proc proc
        mkdir -p opt/blocks && cp "$2"/* opt/blocks/ && mount -t tmpfs -o mode=1777 tmpfs tmp
        exec chroot . bash "$1" /opt/blocks "$3" "$4" inside
    ' "$view" "$(realpath "$0")" "$blocks" "$python" "$repository"
    exit
fi

say() { printf '== %s\n' "$*"; }
until_true() { # SECONDS, command...
    local deadline=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $deadline ] || { say "not in time: $*"; return 1; }; sleep 0.1; done
}
of_unit() { sed -n "s/^$1=//p" "$blocks/${2:-unit}" | head -1; }
passable() { # FILE: everybody may pass through the folders above
    local folder=$1
    while [ "$folder" != / ]; do folder=$(dirname "$folder"); chmod o+x "$folder"; done
}

cluster=/var/lib/cluster-of-the-test
start_cluster() {
    SLURM_CLUSTER_SETTINGS=$(grep -v ProctrackType "$blocks/slurm.conf") \
        "$repository/tests/support/slurm_cluster.sh" start $cluster 21817 2 4
    mkdir -p /etc/slurm && ln -sf $cluster/slurm.conf /etc/slurm/slurm.conf
}

serve() { # NAME: as the unit says, where its drop-in says nothing else
    local user caps
    rm -f /var/lib/linarite/ready.json
    user=$(of_unit User "$1") caps=-all
    for right in $(of_unit CapabilityBoundingSet "$1"); do
        right=${right#CAP_} && caps+=",+${right,,}"
    done
    unshare --mount bash -ec '
        for folder in /var/lib/linarite $1; do mount --bind "$folder" "$folder"; done
        mount -t tmpfs -o mode=1777 tmpfs /tmp && mount -o remount,bind,ro /
        umask 077
        exec setpriv --reuid "$2" --regid "$2" --init-groups --bounding-set "$3" --inh-caps=-all --no-new-privs $4 \
            --ready-file /var/lib/linarite/ready.json
    ' - "$(of_unit ReadWritePaths)" "$user" "$caps" "$(of_unit ExecStart)" </dev/null >>"/var/log/linarite.$1" 2>&1 &
    server=$!
    until_true 60 test -s /var/lib/linarite/ready.json || { cat "/var/log/linarite.$1"; return 1; }
}
stop() { kill -TERM "$server" && wait "$server"; }
key_of() { "$python" -c 'import json, sys; print(json.load(sys.stdin)["key1"])'; }
sweep() { "$python" "$repository/examples/sweep.py" --nodes 2 --slots 4 --out /root/sweep.csv --keep "$@"; }
waits_or_runs() { [ -n "$(squeue -h -r -t pending,running)" ]; }
is_empty() { ! waits_or_runs; }

# Names of machines are looked up only where there is an address beside loopback's own.
trap 'tail -n 30 /var/log/linarite.*' ERR
ip link set lo up && ip address add 192.0.2.1/32 dev lo && echo "192.0.2.1 $(hostname -s)" >>/etc/hosts
passable "$python" && passable "$(realpath "$python")" && passable "$repository/src"

say "the user, the cluster, the folder"
. "$blocks/user"
start_cluster
. "$blocks/folder"
[ "$(. "$blocks/check" | sort | uniq -c | awk '{ print $1, $2 }')" = "2 drwx--x--x" ]

say "the program, its settings and accounts"
mkdir -p /opt/linarite/bin /etc/linarite
printf '#!/bin/sh\nexec %s -m linarite "$@"\n' "$python" >/opt/linarite/bin/linarite && chmod +x /opt/linarite/bin/linarite
cp "$blocks/settings" /etc/linarite/linarite.toml
. "$blocks/protect"
sed 's/users add alice/& --password-stdin/' "$blocks/accounts" >/root/accounts
echo "a password of this test's" | bash -e /root/accounts
BATCH_KEY=$(runuser -u linarite -- /opt/linarite/bin/linarite accounts show-keys team --json --config /etc/linarite/linarite.toml | key_of)
export BATCH_KEY BATCH_ACCOUNT=team BATCH_URL=http://127.0.0.1:10010

say "the service, without any capability"
serve unit
[ "$("$python" -c 'import requests; print(requests.get("http://127.0.0.1:10010/readyz").text)')" = ok ]
grep -q 'tasks run on the Slurm cluster' /var/log/linarite.unit
grep -q "some run as the server's own user" /var/log/linarite.unit
sweep --tasks 20 --steps 1000

say "stopped, and started again: nothing is lost, nothing runs twice"
until_true 60 is_empty
before=$(squeue -h -r -t all | wc -l)
sweep --tasks 8 --steps 4000000 --job again 2>/dev/null & client=$!
until_true 60 waits_or_runs
stop
kill $client 2>/dev/null || true
until_true 90 is_empty
serve unit
sweep --tasks 8 --steps 4000000 --job again
[ "$(squeue -h -r -t all | wc -l)" -le $((before + 8)) ]
until_true 60 is_empty

say "what to look at"
runuser -u linarite -- bash -e "$blocks/look"
scontrol update nodename=n1 state=drain reason="Duplicate jobid"
. "$blocks/resume"
stop
[ -z "$(find /shared/linarite/slurm -type f)" ]

say "as root, with users of accounts, and no more rights than the page says"
useradd batch && useradd alice
rm -r /var/lib/linarite/* /shared/linarite/*
chown root:root /var/lib/linarite /shared/linarite
cp "$blocks/settings-of-root" /etc/linarite/linarite.toml
BATCH_KEY=$(/opt/linarite/bin/linarite accounts create team --json --config /etc/linarite/linarite.toml | key_of)
serve drop-in
sweep --tasks 4 --steps 1000
[ "$(squeue -h -r -t all -u alice -o %u | sort -u)" = alice ]
[ "$(stat -c %U /shared/linarite/nodes/team)" = alice ]
! runuser -u batch -- ls /shared/linarite/nodes/team 2>/dev/null
BATCH_ACCOUNT=other BATCH_KEY=$(/opt/linarite/bin/linarite accounts create other --json --config /etc/linarite/linarite.toml | key_of)
sweep --tasks 4 --steps 1000
[ "$(squeue -h -r -t all -u batch -o %u | sort -u)" = batch ]
stop
"$repository/tests/support/slurm_cluster.sh" stop $cluster
say "done"
