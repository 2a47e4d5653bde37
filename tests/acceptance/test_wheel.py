"""What is installed from a wheel works like the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A wheel built from the checkout, unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], check=True,
                   capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def _python(installed, code):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", code], cwd=installed.parent, env=environment, text=True,
                          capture_output=True, check=True)
    return done.stdout.strip()


def test_the_wheel_carries_the_dashboard(installed):
    found = _python(installed, "from anomaly_cl.cli.dashboard import find_app; print(find_app())")
    assert found == str(installed / "anomaly_cl" / "_apps" / "dashboard" / "app.py")
    in_checkout = {path.name for path in (ROOT / "apps" / "dashboard").iterdir() if path.name != "__pycache__"}
    assert {path.name for path in (installed / "anomaly_cl" / "_apps" / "dashboard").iterdir()} == in_checkout


def test_the_wheel_carries_the_migrations(installed, tmp_path):
    code = f"from anomaly_cl.alerts.store import open_store; s = open_store({str(tmp_path / 's.sqlite')!r}); s.close()"
    _python(installed, code)
    assert (tmp_path / "s.sqlite").stat().st_size > 0


def test_importing_the_package_does_not_import_torch(installed):
    code = "import sys, anomaly_cl; print([name for name in ('torch', 'pandas', 'sklearn') if name in sys.modules])"
    assert _python(installed, code) == "[]"
