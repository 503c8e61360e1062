#!/bin/sh
# Prints the status of a job in Snakemake's terms (running, success, failed): status.sh pbs|sge ID
# A job that the scheduler has not recorded yet, or a scheduler that does not answer, counts as running.

status_pbs() {
    # -x includes finished jobs, which PBS keeps for job_history_duration.
    qstat -x -f "$1" 2>/dev/null | awk -F' = ' '
        $1 ~ /job_state$/ { state = $2 }
        $1 ~ /Exit_status$/ { code = $2 }
        END { print state != "F" ? "running" : code == "0" ? "success" : "failed" }'
}

status_sge() {
    if qstat -j "$1" >/dev/null 2>&1; then
        echo running
        return
    fi
    qacct -j "$1" 2>/dev/null | awk '
        $1 == "exit_status" { code = $2 }
        $1 == "failed" { failed = $2 }
        END { print code == "" ? "running" : code == "0" && failed == "0" ? "success" : "failed" }'
}

"status_$1" "$2"
