"""One move of a server to another size, as a state machine without I/O.

``begin`` and ``step`` turn a state and an event into the next state and the actions to take. Whoever drives the machine
(the hub's spawner) commits the state *before* it takes an action, and answers each action with one event. Every action
may be taken again after a crash; every event may come twice, late or never.
"""

from .actions import Action, AwaitRestore, CheckSize, Discard, Save, Start, Stop
from .events import (
    Cancelled,
    Discarded,
    DiscardFailed,
    Event,
    HubRestarted,
    ResizedInPlace,
    Restored,
    RestoreFailed,
    Running,
    Saved,
    SaveFailed,
    ServerGone,
    SizeAccepted,
    SizeRefused,
    Started,
    StartFailed,
    StopFailed,
    Stopped,
    TimedOut,
)
from .machine import begin, step
from .model import BusyPolicy, LossPolicy, Moment, Move, Size, Step
from .story import Progress, progress, seconds_per_step

__all__ = [
    "Action",
    "AwaitRestore",
    "BusyPolicy",
    "Cancelled",
    "CheckSize",
    "Discard",
    "DiscardFailed",
    "Discarded",
    "Event",
    "HubRestarted",
    "LossPolicy",
    "Moment",
    "Move",
    "Progress",
    "ResizedInPlace",
    "RestoreFailed",
    "Restored",
    "Running",
    "Save",
    "SaveFailed",
    "Saved",
    "ServerGone",
    "Size",
    "SizeAccepted",
    "SizeRefused",
    "Start",
    "StartFailed",
    "Started",
    "Step",
    "Stop",
    "StopFailed",
    "Stopped",
    "TimedOut",
    "begin",
    "progress",
    "seconds_per_step",
    "step",
]
