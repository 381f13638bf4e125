"""What a policy would have done, and what it would have cost: the same decision over recorded or made-up demand.

Everything runs in virtual time on the data plane, without a cluster. `run` plays one policy over one demand, `contest`
chooses what to play; `cli` calls them.

- `demand`: the arrivals to play, read by `inputs/` or made by `generators`.
- `seat`: what a policy may see; `meter` records it with the delay and the windows of a real Prometheus.
- `cluster`: pods, nodes, start-ups and the bill; `profiles` and `assumptions`: what is taken for granted.
- `policies/`: ours and one file per peer; `bounds`: what nobody can beat.
- `record`, `score`, `table`: what came of it.
"""
