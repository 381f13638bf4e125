"""A real control plane on one machine, for the demo, the end-to-end tests and the benchmarks.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, Prometheus and helm are the real programs; KWOK plays the
kubelets, so that no container runtime, virtual machine or root is needed. Only the inference servers' work is emulated.

- `programs`: finds the programs or has them compiled (`go_build`, `go_toolchain`) from the modules in `programs/`.
- `process`, `registry`: children that never outlive their owner, and ports that two labs never share.
- `control_plane`, `prometheus_server`, `nodes`, `cloud`: what runs. `lab.Lab` holds it together; `up` is `make lab`.
"""
