"""What the demo's workflows are about: requests, outputs and failures, drawn from a seeded source."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from engine import WorkflowType

REQUESTS: Final = (
    "Which orders of this week are still unpaid?",
    "本月华东区销售额是多少",
    "Summarise the complaints about invoice 2231",
    "把昨天未发货的订单列出来并通知仓库",
    "Forecast stock of article 88-120 for December",
    "查询客户张伟的合同到期日",
    "Draft a reply to the supplier's price increase",
    "对比三家供应商的交货准时率",
)
_LOCKED_SHARE: Final = 0.45
MODULES: Final = ("erp", "crm", "warehouse", "billing", "hr")
FAILURES: Final = (
    ("module_execution", "ERP call failed: connection refused by 10.2.0.14:8069"),
    ("module_execution", "timed out after 30 s waiting for module pool 'billing'"),
    ("module_execution", "module 'warehouse' raised KeyError: 'article_no'"),
    ("response_generation", "invalid answer: field 'total' is not a number"),
    ("rag_retrieval_2", "index shard 7 is unavailable (503)"),
    ("expert_routing", "no expert is registered for topic '物流'"),
)


@dataclass(frozen=True, slots=True)
class Role:
    """How one workflow of the demo behaves.

    Attributes:
        kind: ``steady``, ``slow``, ``stuck`` (its module never answers) or ``failing``.
        pace_s: mean seconds a state takes.
        failure: state and error text of a failing one.
        is_locked: whether its worker holds its lock while it drives it.
    """

    workflow_type: WorkflowType
    kind: str
    pace_s: float
    failure: tuple[str, str] | None
    is_locked: bool


def draw_role(rng: random.Random) -> Role:
    """Return a role in the demo's mixture: about one in four gives an operator something to do."""
    workflow_type = rng.choice((WorkflowType.INTELLIGENT, WorkflowType.INTELLIGENT, WorkflowType.DIRECT))
    kind = rng.choices(("steady", "slow", "stuck", "failing"), (58, 24, 9, 9))[0]
    pace_s = {"steady": 1.2, "slow": 7.0, "stuck": 1.0, "failing": 0.9}[kind]
    failures = [
        (state, text)
        for state, text in FAILURES
        if workflow_type is WorkflowType.INTELLIGENT or state in ("module_execution", "response_generation")
    ]
    failure = rng.choice(failures) if kind == "failing" else None
    return Role(workflow_type, kind, pace_s, failure, is_locked=rng.random() < _LOCKED_SHARE)


def draw_output(state: str, rng: random.Random) -> dict[str, Any]:
    """Return a plausible output of ``state``: the shape its result slot shows."""
    if state.startswith("rag_retrieval"):
        hits = [{"doc": f"kb/{rng.randrange(900):03}", "score": round(rng.uniform(0.6, 0.97), 3)} for _ in range(3)]
        return {"hits": hits}
    if state == "expert_routing":
        return {"expert": f"{rng.choice(MODULES)}_expert", "confidence": round(rng.uniform(0.55, 0.99), 2)}
    if state == "module_execution":
        return {"module": rng.choice(MODULES), "rows": rng.randrange(1, 400), "success": True}
    return {"response": rng.choice(("共 128 笔订单 合计 ¥1,204,330", "3 orders are unpaid: 2231, 2240 and 2258."))}
