"""``rollcall explain``: the records of manifests or ``kubectl get -o yaml`` output, without cluster or database."""
