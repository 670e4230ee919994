"""The controllers of the simulated cluster: one per kind, each a function of what it finds to the next small step."""

from rollcall_demo.controllers import cronjob, deployment, job, pytorchjob, replicaset, statefulset
from rollcall_demo.resources import CRONJOB, DEPLOYMENT, JOB, PYTORCHJOB, REPLICASET, STATEFULSET

RECONCILERS = {
    JOB: job.reconcile,
    CRONJOB: cronjob.reconcile,
    DEPLOYMENT: deployment.reconcile,
    REPLICASET: replicaset.reconcile,
    STATEFULSET: statefulset.reconcile,
    PYTORCHJOB: pytorchjob.reconcile,
}
"""Of each kind what is called when one of its objects, or something that it owns, has changed."""
