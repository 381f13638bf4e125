"""How each program of the control plane is started: its arguments, its files, its identities. `lab` runs them.

Everything listens on 127.0.0.1 only and lives under the lab's directory. Nothing here starts a process.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tightrope.lab.programs import Programs

MANIFESTS: Final = Path(__file__).parent / "manifests"
# What a pod's life needs and nothing else; a lab may ask for more, such as a HorizontalPodAutoscaler's.
CONTROLLERS: Final = (
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "validatingadmissionpolicy-status-controller",
)
ADMIN: Final = "lab-admin"
CLOUD: Final = "lab-cloud"
# The lab's own users may do everything, also in the seconds after a restart in which RBAC answers 403.
_USERS: Final = (ADMIN, CLOUD, "lab-controller-manager", "lab-scheduler", "lab-kubelets")
# The defaults of 20 to 50 requests a second make a rollout of 200 pods take a minute.
_SWIFT: Final = ("--kube-api-qps=300", "--kube-api-burst=600")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Files, ports and users of one control plane, and how to start each of its programs."""

    directory: Path
    programs: Programs
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    tokens: Mapping[str, str]

    @classmethod
    def prepare(
        cls, directory: Path, programs: Programs, *, etcd_port: int, etcd_peer_port: int, api_port: int
    ) -> "ControlPlane":
        """Write the keys and tokens that the API server starts from."""
        tokens = {user: secrets.token_urlsafe(32) for user in _USERS}
        plane = cls(
            directory=directory,
            programs=programs,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
            api_port=api_port,
            tokens=tokens,
        )
        plane.data.mkdir(mode=0o700)
        lines = [f'{token},{user},{user},"system:masters"\n' for user, token in tokens.items()]
        _write_private(plane.data / "tokens.csv", "".join(lines))
        _write_private(plane.data / "service-accounts.key", _signing_key())
        return plane

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def ca_file(self) -> Path:
        """The certificate that the API server writes for itself at its first start, with the CA that signed it."""
        return self.data / "certificates" / "apiserver.crt"

    @property
    def audit_log(self) -> Path:
        return self.directory / "logs" / "audit.jsonl"

    def etcd(self) -> list[str]:
        client, peer = self.etcd_url, f"http://127.0.0.1:{self.etcd_peer_port}"
        return [
            self.programs["etcd"],
            "--name=lab",
            f"--data-dir={self.data / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=lab={peer}",
            # The lab's data need not survive a power cut, and a shared disk makes every fsync a wait.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def api_server(self) -> list[str]:
        key = self.data / "service-accounts.key"
        return [
            self.programs["kube-apiserver"],
            f"--etcd-servers={self.etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.api_port}",
            f"--cert-dir={self.ca_file.parent}",
            f"--token-auth-file={self.data / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/16",
            # There is no pod that would look for the API server in the cluster.
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
            "--profiling=false",
            f"--audit-policy-file={MANIFESTS / 'audit.yaml'}",
            f"--audit-log-path={self.audit_log}",
        ]

    def controller_manager(self, extra_controllers: Sequence[str]) -> list[str]:
        return [
            self.programs["kube-controller-manager"],
            f"--kubeconfig={self.kubeconfig_of('lab-controller-manager')}",
            f"--controllers={','.join((*CONTROLLERS, *extra_controllers))}",
            f"--service-account-private-key-file={self.data / 'service-accounts.key'}",
            "--leader-elect=false",
            "--secure-port=0",
            *_SWIFT,
        ]

    def scheduler(self) -> list[str]:
        return [
            self.programs["kube-scheduler"],
            f"--kubeconfig={self.kubeconfig_of('lab-scheduler')}",
            "--leader-elect=false",
            "--secure-port=0",
            *_SWIFT,
        ]

    def kubelets(self) -> list[str]:
        return [
            self.programs["kwok"],
            f"--kubeconfig={self.kubeconfig_of('lab-kubelets')}",
            f"--config={MANIFESTS / 'stages.yaml'}",
            "--manage-all-nodes",
            # Without leases of their own the nodes are taken for dead after 50 s.
            "--node-lease-duration-seconds=40",
            "--cidr=10.244.0.0/16",
            "--v=WARN",
        ]

    def kubeconfig_of(self, user: str) -> Path:
        """The file for one of the lab's own users; `write_kubeconfigs` makes them."""
        return self.data / f"{user}.kubeconfig"

    def write_kubeconfigs(self) -> Path:
        """Write everybody's kubeconfig, once the API server has its certificate; returns the admin's."""
        for user in _USERS:
            self.write_kubeconfig(self.kubeconfig_of(user), user=user, token=self.tokens[user])
        admin = self.directory / "kubeconfig"
        self.write_kubeconfig(admin, user=ADMIN, token=self.tokens[ADMIN])
        return admin

    def write_kubeconfig(self, path: Path, *, user: str, token: str, namespace: str = "default") -> None:
        """A kubeconfig with the CA's data in it, readable by its owner alone."""
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        document: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user, "namespace": namespace}}],
            "current-context": "lab",
        }
        _write_private(path, yaml.safe_dump(document, sort_keys=False))


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_NAME: Final = bytes.fromhex("06082a8648ce3d030107")


def _signing_key() -> str:
    """A fresh key for the tokens of service accounts: an ECPrivateKey of RFC 5915 on P-256 with the public half left
    out, which readers derive. That is one random number and a fixed frame, so no cryptography library is needed."""
    scalar = (1 + secrets.randbelow(_P256_ORDER - 1)).to_bytes(32, "big")
    body = b"\x02\x01\x01" + b"\x04\x20" + scalar + b"\xa0" + bytes([len(_P256_NAME)]) + _P256_NAME
    text = base64.b64encode(b"\x30" + bytes([len(body)]) + body).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN EC PRIVATE KEY-----", *lines, "-----END EC PRIVATE KEY-----", ""))
