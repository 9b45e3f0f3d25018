"""Clients in their default settings post to the bare port: Java and curl offer HTTP/2 first."""

import json
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from tests.support.request_bodies import build_push
from tests.support.world import World

SOURCE = Path(__file__).with_name("StockClient.java")


def require(command: str, arguments: list[str], wanted: str) -> None:
    """Skip the test, with a warning, where the machine has no such command."""
    path = shutil.which(command)
    if path is None or wanted not in _run([path, *arguments]):
        warnings.warn(f"{command} is missing: a stock client was not tried", stacklevel=2)
        pytest.skip(f"{command} ({wanted or 'any version'}) is missing")


def write_pushes(directory: Path) -> list[Path]:
    """Write two pushes, one small and one larger than a TCP segment."""
    files = [directory / "small.json", directory / "large.json"]
    files[0].write_text(json.dumps(build_push(source_ref="STOCK-1")))
    files[1].write_text(json.dumps(build_push(source_ref="STOCK-2")) + " " * 100_000)
    return files


@pytest.mark.filterwarnings("default:java is missing:UserWarning")
def test_the_client_of_the_jdk_pushes(world: World, tmp_path: Path) -> None:
    require("java", ["--version"], "")
    files = write_pushes(tmp_path)
    output = _run(
        [
            "java",
            "-XX:TieredStopAtLevel=1",
            str(SOURCE),
            f"{world.address}/v1/entries",
            world.api().headers["Authorization"],
            ",".join(map(str, files)),
        ]
    )
    assert output.split("\n")[:2] == ["201 HTTP_1_1", "201 HTTP_1_1"]


@pytest.mark.filterwarnings("default:curl is missing:UserWarning")
def test_curl_with_http2_pushes(world: World, tmp_path: Path) -> None:
    require("curl", ["--version"], "HTTP2")
    for file in write_pushes(tmp_path):
        output = _run(
            [
                "curl",
                "--silent",
                "--show-error",
                "--http2",
                "--header",
                f"Authorization: {world.api().headers['Authorization']}",
                "--header",
                "Content-Type: application/json",
                "--data-binary",
                f"@{file}",
                "--write-out",
                "%{http_code} %{http_version}",
                "--output",
                "/dev/null",
                f"{world.address}/v1/entries",
            ]
        )
        assert output == "201 1.1"


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr
