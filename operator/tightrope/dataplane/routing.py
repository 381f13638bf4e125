"""Who takes the next request. `fleet` asks; the lab splits evenly, a replay as its spec says."""

from enum import StrEnum


class Routing(StrEnum):
    """EVEN: a ready pod at random, as kube-proxy does in its iptables and nftables modes (kubernetes.io, Virtual IPs
    and Service Proxies): nobody looks at who is busy. WEIGHTED: at random by weight, as an HTTPRoute's backends.
    LEAST_LOADED: the pod with the fewest requests inside, as a gateway that counts them (join the shortest queue)."""

    EVEN = "even"
    WEIGHTED = "weighted"
    LEAST_LOADED = "least-loaded"
