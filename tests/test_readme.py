"""The README says nothing that is not so: its commands run, its example works, its key table is the registry's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from console.key_table import key_table
from engine import ProductionWorkflowOrchestrator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", README, re.DOTALL)
    assert found is not None, f"README.md has no block {name}"
    return found.group(1)


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_two_commands_of_a_fresh_machine_are_there_word_for_word() -> None:
    assert "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/flowdeck demo\n" in README
    assert "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest\n" in README


def test_the_key_table_is_the_registrys() -> None:
    assert block("keys").strip() == key_table().strip()


def test_every_picture_is_in_the_repository() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    assert [picture for picture in pictures if not (ROOT / picture).is_file()] == []


def test_the_service_of_ten_lines_runs_as_it_stands(tmp_path: Path) -> None:
    (example,) = fenced("python")
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "'state': 'completed'" in ran.stdout
    (document,) = (tmp_path / "data" / "workflows").glob("wf_direct_*.json")
    assert json.loads(document.read_bytes())["response"] == "3 are open"


async def waiting_workflow(place: Path) -> str:
    engine = ProductionWorkflowOrchestrator(persistence_dir=place)
    workflow_id = await engine.create_direct_workflow("open orders?", "erp")
    await engine.transition_state(workflow_id, "module_execution")
    await engine.acquire_workflow_lock(workflow_id, "worker-3")
    await engine.cleanup()
    return workflow_id


async def test_every_command_line_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data" / "workflows"
    workflow_id = await waiting_workflow(place)
    (tmp_path / "result.json").write_text('{"orders": 3}', encoding="utf-8")
    commands = [line for line in block("verbs").splitlines() if line.startswith("flowdeck ")]
    assert len(commands) > 5
    for line in commands:
        for command in line.split(" && "):
            ran = subprocess.run(
                [sys.executable, "-m", "console", *shlex.split(command.replace("ID", workflow_id))[1:]],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert ran.returncode == 0, f"{command}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"


def test_help_names_every_verb_of_the_readme() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "console", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    shown = asked.stdout
    for verb in ("ls", "show", "history", "why", "plan", "rollback", "retry", "force", "unlock", "cancel", "demo"):
        assert re.search(rf"\b{verb}\b", shown), verb
