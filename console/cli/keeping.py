"""The verbs about the store itself: verify, doctor, backup."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from console.cli.exits import Exit
from console.cli.session import Session
from engine.operations.backup import backup
from engine.operations.doctor import SEVERITIES, Severity, doctor, worst
from engine.operations.verify import verify


async def check_store(session: Session, _asked: Namespace) -> Exit:
    """Print in what ledger, chains, documents and counters disagree; 9 where the ledger itself is broken, else 7."""
    report = await verify(session.engine)
    printer = session.printer
    for problem in report.problems:
        if printer.is_json:
            printer.record(
                {"kind": problem.kind, "workflow_id": problem.workflow_id or None, "sentence": problem.sentence}
            )
        else:
            printer.line(f"{problem.kind}: {problem.workflow_id or 'the store'}: {problem.sentence}")
    summary = (
        f"{report.workflows} workflows, {report.entries} entries and {report.documents} documents checked: "
        f"{'everything agrees' if report.is_sound else f'{len(report.problems)} problems'}."
    )
    printer.say(summary)
    if report.unreadable:
        one = report.unreadable == 1
        what = "1 document cannot be read and was" if one else f"{report.unreadable} documents cannot be read and were"
        printer.say(f"{what} left alone.")
    if report.is_sound:
        return Exit.DONE
    return Exit.STORE_UNSAFE if report.is_unsafe else Exit.NOT_VERIFIED


async def examine(session: Session, _asked: Namespace) -> Exit:
    """Print findings, the worst last; 7 for a warning, 9 for an error."""
    findings = await doctor(session.engine)
    printer = session.printer
    for finding in sorted(findings, key=lambda each: SEVERITIES.index(each.severity)):
        if printer.is_json:
            printer.record(
                {
                    "severity": finding.severity.value,
                    "code": finding.code,
                    "sentence": finding.sentence,
                    "remedy": finding.remedy or None,
                }
            )
            continue
        printer.line(f"{finding.severity.value:<8} {finding.sentence}")
        if finding.remedy and finding.severity is not Severity.OK:
            printer.line(f"{'':<8} {finding.remedy}")
    return {Severity.WARNING: Exit.NOT_VERIFIED, Severity.ERROR: Exit.STORE_UNSAFE}.get(worst(findings), Exit.DONE)


async def copy_ledger(session: Session, asked: Namespace) -> Exit:
    """Copy the ledger and print where the copy is."""
    path = await backup(session.engine, Path(asked.target))
    size = path.stat().st_size
    if session.printer.is_json:
        session.printer.record({"backup": str(path), "bytes": size})
    else:
        session.printer.line(f"{path}: {size} bytes")
    return Exit.DONE
