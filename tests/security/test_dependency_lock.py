"""What gets installed: each requirement is pinned to a release of the registry, and to none that is known to be bad."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!]+)")  # no URL, no repository, no local version, no flag
BAD = {
    "pytorch-lightning": (">=2.6.2,<2.6.6", "2.6.2 and 2.6.3 were malicious; before 2.6.6 loading could run code"),
    "pyarrow": ("<14.0.1", "reading files ran code (CVE-2023-47248)"),
    "pyyaml": ("<5.4", "loading ran code (CVE-2020-14343)"),
    "torch": ("<2.6", "torch.load ran code (CVE-2025-32434)"),
}


def locked(text: str) -> dict[str, Version]:
    """Versions by name of a lock file; raises ValueError for a line that is no pin, or pins a name again."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    found: dict[str, Version] = {}
    for line in lines:
        pin = PIN.fullmatch(line)
        if pin is None or canonicalize_name(pin[1]) in found:
            raise ValueError(line)
        found[canonicalize_name(pin[1])] = Version(pin[2])
    return found


LOCK = locked((ROOT / "requirements.lock").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ALWAYS = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = {name: [Requirement(text) for text in texts]
          for name, texts in PROJECT["project"]["optional-dependencies"].items()}


@pytest.mark.parametrize("line", [
    "torch @ https://example.org/torch.whl", "git+https://example.org/torch.git", "-e .", "--index-url https://x.org",
    "torch>=2.0", "torch", "./torch.whl", "torch==2.0 --hash=sha256:0", "torch==2.0\ntorch==2.1", "torch==2.*",
    "--extra-index-url https://x.org", "torch==2.0+local", "Torch==2.0\ntorch==2.0",
])
def test_a_line_that_is_no_pin_is_found(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        locked(line)


def test_what_is_always_installed_and_what_tests_need_is_pinned_within_its_bounds() -> None:
    others = [requirement for extra in EXTRAS.values() for requirement in extra
              if canonicalize_name(requirement.name) in LOCK]
    for requirement in [*ALWAYS, *EXTRAS["dev"], *others]:
        assert LOCK[canonicalize_name(requirement.name)] in requirement.specifier, requirement
        assert requirement.url is None, requirement


@pytest.mark.parametrize("name", sorted(BAD))
def test_no_version_known_to_be_bad_is_pinned_or_allowed(name: str) -> None:
    bad, why = BAD[name]
    specifier = Requirement(f"{name}{bad}").specifier
    assert LOCK[name] not in specifier, why
    bounds = [requirement for requirement in ALWAYS if canonicalize_name(requirement.name) == name]
    known = {"pytorch-lightning": ("2.6.2", "2.6.3", "2.6.5"), "pyarrow": ("14.0.0",), "pyyaml": ("5.3.1",),
             "torch": ("2.5.1",)}[name]
    for each in known:
        assert each in specifier
        assert all(Version(each) not in requirement.specifier for requirement in bounds), why


def test_no_bad_version_is_installed() -> None:
    for name, (bad, why) in BAD.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        assert installed.partition("+")[0] not in Requirement(f"{name}{bad}").specifier, why


def test_the_package_is_built_from_no_other_address() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert not re.search(r"(git|hg|svn|bzr)\+|https?://(?!github\.com|opensource|www\.apache)", text)
    assert PROJECT["build-system"]["requires"] == ["hatchling>=1.26"]
