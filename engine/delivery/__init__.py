"""Delivery of committed events to the caller's bus: first attempts, retries, dead letters."""

from engine.delivery.delivery import Delivery
from engine.delivery.windows import EventWindow, RetryWindow, WaitingEvent

__all__ = ["Delivery", "EventWindow", "RetryWindow", "WaitingEvent"]
