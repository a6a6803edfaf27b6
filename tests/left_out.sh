#!/bin/sh
# Says before a test run what it leaves out and why. With CI set nothing may be left out.
left_out=0
say() { printf '*** LEFT OUT: %s\n' "$1"; left_out=1; }

[ "$(id -u)" = 0 ] || say "tests that run tasks as an unprivileged user: they need root (sudo make test)."
command -v npm >/dev/null && command -v node >/dev/null ||
    say "tests with Azurite and with JavaScript clients: they need npm and node."
command -v podman >/dev/null && command -v runc >/dev/null && command -v busybox >/dev/null ||
    say "tests of tasks in containers: they need podman, runc and a static busybox."
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ||
    say "tests of the store on PostgreSQL: they need its server (Debian's postgresql)."
command -v smbd >/dev/null && command -v smbclient >/dev/null && command -v smbpasswd >/dev/null ||
    say "tests of Samba over a share: they need samba and smbclient."
PATH="$PATH:/usr/sbin:/sbin"
command -v mkfs.xfs >/dev/null && command -v mkfs.btrfs >/dev/null ||
    say "tests of shares on XFS and Btrfs: they need mkfs.xfs and mkfs.btrfs (Debian's xfsprogs and btrfs-progs)."
command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null ||
    say "tests of tasks on Slurm: they need slurm-wlm and munge."
command -v mpirun >/dev/null || say "tests of MPI tasks on Slurm: they need mpirun (Debian's openmpi-bin)."
command -v systemd-analyze >/dev/null && command -v ip >/dev/null ||
    say "tests of the pages about Slurm: they need systemd-analyze and ip (Debian's systemd and iproute2)."
command -v docker-registry >/dev/null || say "tests of tasks in containers: they need docker-registry."
[ "$left_out" = 0 ] || [ -z "$CI" ] || { echo "CI is set, so nothing may be left out."; exit 1; }

# Public checkouts do not have it, so it is never an error.
[ -n "$LINARITE_SPECS" ] || say "comparisons with the specifications: LINARITE_SPECS names no folder of them."
exit 0
