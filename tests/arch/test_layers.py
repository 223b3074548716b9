"""Imports point down: the contracts are in pyproject.toml under [tool.importlinter]."""

import subprocess
import sysconfig
import tomllib
from pathlib import Path

from tests.arch.source import ROOT


def test_every_import_contract_is_kept() -> None:
    command = [str(Path(sysconfig.get_path("scripts")) / "lint-imports"), "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_package_of_the_node_has_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {name.strip(" ()") for layer in contracts[0]["layers"] for name in layer.split("|")}
    packages = {f"sfu.{path.name}" for path in (ROOT / "sfu").iterdir() if (path / "__init__.py").is_file()}
    modules = {f"sfu.{path.stem}" for path in (ROOT / "sfu").glob("*.py")} - {"sfu.__init__", "sfu.__main__"}
    assert packages | modules <= layers
