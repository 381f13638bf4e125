"""How the programs of the control plane are started, and the secrets they start from."""

import base64
from pathlib import Path

import pytest
import yaml

from tightrope.lab.control_plane import ControlPlane
from tightrope.lab.programs import NAMES, Programs


def plane(directory: Path) -> ControlPlane:
    directory.mkdir(exist_ok=True)
    programs = Programs(paths={name: Path("/bin") / name for name in NAMES})
    return ControlPlane.prepare(directory, programs, etcd_port=20001, etcd_peer_port=20002, api_port=20003)


def test_everything_listens_on_the_loopback_interface_only(tmp_path: Path) -> None:
    prepared = plane(tmp_path)
    assert "--bind-address=127.0.0.1" in prepared.api_server()
    urls = [argument for argument in prepared.etcd() if "http" in argument]
    assert len(urls) == 5
    assert all("http://127.0.0.1:" in url for url in urls)
    for program in (prepared.controller_manager(()), prepared.scheduler()):
        assert "--secure-port=0" in program


def test_the_api_server_checks_rights_and_tokens(tmp_path: Path) -> None:
    arguments = plane(tmp_path).api_server()
    assert "--authorization-mode=Node,RBAC" in arguments
    assert any(argument.startswith("--token-auth-file=") for argument in arguments)


def test_only_the_controllers_a_pods_life_needs_run_and_those_asked_for(tmp_path: Path) -> None:
    def controllers(*extra: str) -> list[str]:
        arguments = plane(tmp_path / str(len(extra))).controller_manager(extra)
        (found,) = [argument for argument in arguments if argument.startswith("--controllers=")]
        return found.removeprefix("--controllers=").split(",")

    few = controllers()
    assert {"deployment-controller", "garbage-collector-controller", "resourcequota-controller"} <= set(few)
    assert "*" not in few
    assert "horizontal-pod-autoscaler-controller" not in few
    assert controllers("horizontal-pod-autoscaler-controller") == [*few, "horizontal-pod-autoscaler-controller"]


def test_secrets_are_fresh_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    one, two = plane(tmp_path / "one"), plane(tmp_path / "two")
    for name in ("tokens.csv", "service-accounts.key"):
        assert (one.data / name).read_text() != (two.data / name).read_text()
        assert (one.data / name).stat().st_mode & 0o077 == 0
    assert len(set(one.tokens.values())) == len(one.tokens)


def test_the_signing_key_is_a_private_key_of_rfc_5915_on_p256(tmp_path: Path) -> None:
    first, *lines, last = (plane(tmp_path).data / "service-accounts.key").read_text().splitlines()
    assert (first, last) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    frame = base64.b64decode("".join(lines))
    assert frame[:2] == bytes([0x30, len(frame) - 2])
    assert frame[2:7] == bytes.fromhex("0201010420")
    assert frame[39:] == bytes.fromhex("a00a06082a8648ce3d030107")


@pytest.mark.parametrize("user", ["lab-admin", "lab-cloud"])
def test_a_kubeconfig_carries_the_ca_and_never_skips_its_verification(tmp_path: Path, user: str) -> None:
    prepared = plane(tmp_path)
    prepared.ca_file.parent.mkdir()
    prepared.ca_file.write_text("the certificate")
    prepared.write_kubeconfigs()
    config = yaml.safe_load(prepared.kubeconfig_of(user).read_text())
    assert config["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:20003",
        "certificate-authority-data": base64.b64encode(b"the certificate").decode(),
    }
    assert config["users"][0]["user"]["token"] == prepared.tokens[user]
