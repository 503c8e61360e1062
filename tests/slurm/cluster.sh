#!/usr/bin/env bash
# A Slurm cluster on this one Debian machine, with two imitated GPUs, for tests/workflow/test_slurm.py; as root.
#   cluster.sh install    Debian's slurm-wlm and munge
#   cluster.sh start      munged, slurmctld and slurmd; ends once the node takes jobs
#   cluster.sh stop       ends them
set -euo pipefail

CONF=/etc/slurm # jobs do not inherit SLURM_CONF
STATE=/var/lib/headstart-slurm
MARK="# Made by headstart's tests/slurm/cluster.sh"

install() {
    command -v munged slurmctld slurmd srun >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends slurm-wlm munge
}

is_ours() { grep -qsF "$MARK" "$CONF/$1"; }

configure() {
    local file
    for file in slurm.conf gres.conf; do
        if [[ -e $CONF/$file ]] && ! is_ours "$file"; then
            echo "cluster.sh: $CONF/$file is another cluster's; a machine of a real cluster is not for this test" >&2
            exit 1
        fi
    done
    rm -rf "$STATE"
    mkdir -p "$CONF" "$STATE"/{controller,node}
    chmod 755 "$STATE"
    (umask 077 && head -c 1024 /dev/urandom >"$STATE/munge.key")
    touch "$STATE"/gpu{0,1}
    # More processors and memory than there are: Slurm only counts them here. A job put back into the queue waits for
    # as long as a credential lives. Addresses are given: each command would wait long where a machine cannot look up
    # its own name.
    cat >"$CONF/slurm.conf" <<END
$MARK
ClusterName=headstart
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$STATE/munge.socket,cred_expire=15
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
StateSaveLocation=$STATE/controller
SlurmdSpoolDir=$STATE/node
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=16 RealMemory=256000 Gres=gpu:2
PartitionName=cpu Nodes=ALL Default=YES State=UP
PartitionName=gpu Nodes=ALL State=UP
END
    printf '%s\nNodeName=%s Name=gpu File=%s\n' "$MARK" "$(hostname)" "$STATE/gpu[0-1]" >"$CONF/gres.conf"
}

start() {
    stop
    configure
    munged --origin=127.0.0.1 --key-file="$STATE/munge.key" --seed-file="$STATE/munged.seed" \
        --socket="$STATE/munge.socket" --pid-file="$STATE/munged.pid" --log-file="$STATE/munged.log"
    slurmctld
    slurmd
    for _ in {1..60}; do
        sinfo --noheader --partition=cpu --format=%T 2>/dev/null | grep -qx idle && return
        sleep 0.5
    done
    echo "cluster.sh: the node does not come up; see $STATE/slurmctld.log and slurmd.log" >&2
    exit 1
}

stop() {
    local daemon pid file
    for daemon in slurmd slurmctld munged; do
        [[ -s $STATE/$daemon.pid ]] || continue
        pid=$(<"$STATE/$daemon.pid")
        kill "$pid" 2>/dev/null || continue
        timeout 20 tail --pid="$pid" --follow /dev/null || kill -KILL "$pid"
    done
    # With them, each start of Snakemake would wait for a controller that no longer runs.
    for file in slurm.conf gres.conf; do
        if is_ours "$file"; then rm "$CONF/$file"; fi
    done
}

case ${1:-} in
install | start | stop) "$1" ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
